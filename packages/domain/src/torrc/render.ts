import type { LineMode, Torrc, TorrcLine } from "./Torrc.ts"

const SIGN: Readonly<Record<LineMode, string>> = { set: "", append: "+", clear: "/" }

// People write # and quotes in it (tor manual, `ContactInfo`), so it is quoted whatever it holds.
const ALWAYS_QUOTED: ReadonlySet<string> = new Set(["ContactInfo"])

/** Whether tor would read another value than this one, were it written without quotes. */
const needsQuotes = (value: string): boolean => /^ |["#\\\t]| $/.test(value)

const quoted = (value: string): string =>
  `"${value.replaceAll("\\", "\\\\").replaceAll("\"", "\\\"").replaceAll("\t", "\\t")}"`

/** One line, as tor reads it, without a newline. */
export const renderLine = ({ option, mode, value }: Pick<TorrcLine, "option" | "mode" | "value">): string => {
  if (value === "") return `${SIGN[mode]}${option}`
  const text = ALWAYS_QUOTED.has(option) || needsQuotes(value) ? quoted(value) : value
  return `${SIGN[mode]}${option} ${text}`
}

/** The canonical text of a torrc: a line each, in order, each with its newline. Reading it gives the same lines. */
export const renderTorrc = (torrc: Torrc): string => torrc.map((line) => `${renderLine(line)}\n`).join("")
