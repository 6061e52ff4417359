import { Clock, Console, Effect } from "effect"

const terminal = process.stdout.isTTY === true && (process.env["NO_COLOR"] ?? "") === ""
const paint = (code: number, text: string): string => terminal ? `\u001b[${code}m${text}\u001b[0m` : text

export const faint = (text: string): string => paint(2, text)
export const strong = (text: string): string => paint(1, text)
export const good = (text: string): string => paint(32, text)
export const bad = (text: string): string => paint(31, text)

/** Says what is going on, and how long it took when that was more than a tenth of a second. */
export const step = <A, E, R>(what: string, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    yield* Console.log(`${faint("...")} ${what}`)
    const began = yield* Clock.currentTimeMillis
    const result = yield* work
    const took = (yield* Clock.currentTimeMillis) - began
    if (took > 100) yield* Console.log(faint(`    ${(took / 1000).toFixed(1)} s`))
    return result
  })

/** A line that something was seen to be so. */
export const seen = (what: string): Effect.Effect<void> => Console.log(`${good(" ok")} ${what}`)
