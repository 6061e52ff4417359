import { parsePorts, type PortRange, renderPorts, union } from "./PortList.ts"

/** A kernel setting by its path under /proc/sys, such as `net/core/somaxconn`, and what is wanted of it. */
export interface Setting {
  readonly path: string
  readonly wish: Wish
}

/**
 * `at least`: a number, raised and never lowered. `range`: two numbers, made wider and never narrower. `ports`: a list of
 * ports, added to. `exactly`: a number. `not strict`: a reverse-path filter that is strict, by itself or because of the
 * one in `all`, is made loose, and any other left as it is.
 */
export type Wish =
  | { readonly is: "at least"; readonly value: number }
  | { readonly is: "range"; readonly low: number; readonly high: number }
  | { readonly is: "ports"; readonly ports: ReadonlyArray<PortRange> }
  | { readonly is: "exactly"; readonly value: number }
  | { readonly is: "not strict"; readonly all: string }

/** A setting's file as it is. One that is absent, or cannot be read, has no value at all. */
export interface SettingValue {
  /** As the kernel writes it, without the newline at its end. */
  readonly text: string
  readonly writable: boolean
}

export type SettingValues = ReadonlyMap<string, SettingValue>

/** The paths that telling whether a setting is as wished takes. */
export const pathsOf = ({ path, wish }: Setting): ReadonlyArray<string> =>
  wish.is === "not strict" ? [path, wish.all] : [path]

/**
 * What to write to a setting so that it is as wished, as the kernel will show it; undefined where it is, and where it
 * cannot be told or changed: absent, read-only (a network namespace has no conntrack limit of its own), not understood.
 */
export const wantedText = ({ path, wish }: Setting, values: SettingValues): string | undefined => {
  const found = values.get(path)
  if (found === undefined || !found.writable) return undefined
  const wanted = wishedText(wish, found.text, values)
  return wanted === undefined || wanted === found.text ? undefined : wanted
}

const wishedText = (wish: Wish, text: string, values: SettingValues): string | undefined => {
  switch (wish.is) {
    case "at least": {
      const value = numberIn(text)
      return value === undefined ? undefined : String(Math.max(value, wish.value))
    }
    case "range": {
      const [low, high, ...more] = text.split(/\s+/).map(numberIn)
      if (low === undefined || high === undefined || more.length > 0) return undefined
      return `${Math.min(low, wish.low)}\t${Math.max(high, wish.high)}`
    }
    case "ports": {
      const ports = parsePorts(text)
      if (ports === undefined) return undefined
      // Compared as the kernel shows it, however it was shown before.
      const wanted = renderPorts(union(ports, wish.ports))
      return wanted === renderPorts(ports) ? text : wanted
    }
    case "exactly":
      return numberIn(text) === undefined ? undefined : String(wish.value)
    case "not strict": {
      const [own, all] = [numberIn(text), numberIn(values.get(wish.all)?.text ?? "0")]
      if (own === undefined || all === undefined) return undefined
      // The kernel takes the higher of the two (ip-sysctl.rst, rp_filter): 0 off, 1 strict, 2 loose.
      return Math.max(own, all) === 1 ? "2" : text
    }
  }
}

const numberIn = (text: string): number | undefined => /^\d+$/.test(text) ? Number(text) : undefined

/** A setting's name as sysctl(8) writes it. */
export const nameOf = (path: string): string => path.replaceAll(".", "\0").replaceAll("/", ".").replaceAll("\0", "/")
