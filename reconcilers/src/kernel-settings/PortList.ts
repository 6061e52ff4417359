/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/** Reads a list as in ip_local_reserved_ports: `8080,9148-9150`, or nothing. Undefined where it is something else. */
export const parsePorts = (text: string): ReadonlyArray<PortRange> | undefined => {
  if (text.trim() === "") return []
  const ranges: Array<PortRange> = []
  for (const part of text.trim().split(",")) {
    const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? []
    if (first === undefined) return undefined
    const range = { first: Number(first), last: Number(last ?? first) }
    if (range.first > range.last || range.last > 65_535) return undefined
    ranges.push(range)
  }
  return ranges
}

/** All ports of both, sorted, with ranges that touch made one: as the kernel shows a list (proc_do_large_bitmap). */
export const union = (
  left: ReadonlyArray<PortRange>,
  right: ReadonlyArray<PortRange>
): ReadonlyArray<PortRange> => {
  const merged: Array<PortRange> = []
  for (const range of [...left, ...right].sort((one, other) => one.first - other.first)) {
    const before = merged.at(-1)
    if (before === undefined || range.first > before.last + 1) merged.push(range)
    else merged[merged.length - 1] = { first: before.first, last: Math.max(before.last, range.last) }
  }
  return merged
}

/** The list as the kernel shows it. */
export const renderPorts = (ranges: ReadonlyArray<PortRange>): string =>
  union(ranges, []).map(({ first, last }) => first === last ? String(first) : `${first}-${last}`).join(",")
