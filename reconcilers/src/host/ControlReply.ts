import { Result, Schema } from "effect"

/** tor answered a control command with an error, or with something that is no answer (control-spec, section 2.3). */
export class ControlRefused extends Schema.TaggedError<ControlRefused>()("ControlRefused", {
  message: Schema.String
}) {}

/** How far a reply has come in: not whole yet, or its lines without their status codes. */
export type ControlReply =
  | { readonly whole: false }
  | { readonly whole: true; readonly lines: ReadonlyArray<string>; readonly length: number }

/**
 * The first reply in what came in so far (control-spec, section 2.3): lines of a three-digit code and `-` or `+` where
 * more follows, the last with a space. A `+` line is followed by data up to a line of one dot, which is left out here: no
 * question that Patela asks is answered so. `length` is how many characters the reply took. Pure.
 */
export const readReply = (text: string): Result.Result<ControlReply, ControlRefused> => {
  const lines: Array<string> = []
  let at = 0
  while (true) {
    const end = text.indexOf("\r\n", at)
    if (end === -1) return Result.succeed({ whole: false })
    const line = text.slice(at, end)
    at = end + 2
    const parts = /^(\d{3})([ +-])(.*)$/.exec(line)
    if (parts === null) return refused(`tor wrote something that is no reply: ${shown(line)}`)
    const [, code = "", mark, rest = ""] = parts
    if (mark === "+") return refused("tor wrote data where a line was expected")
    if (!code.startsWith("2")) return refused(`tor said ${code} ${shown(rest)}`)
    lines.push(rest)
    if (mark === " ") return Result.succeed({ whole: true, lines, length: at })
  }
}

const refused = (message: string): Result.Result<never, ControlRefused> => Result.fail(new ControlRefused({ message }))

/** A piece of what came, without control characters. */
const shown = (text: string): string => text.slice(0, 200).replaceAll(/[^\P{C} ]/gu, "?")

/** `key=value` lines of a GETINFO reply, by key (control-spec, section 3.9). Pure. */
export const infoOf = (lines: ReadonlyArray<string>): ReadonlyMap<string, string> =>
  new Map(lines.flatMap((line) => {
    const at = line.indexOf("=")
    return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const]
  }))
