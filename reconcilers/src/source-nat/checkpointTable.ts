import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import { Effect } from "effect"
import { FAMILY, TABLE } from "./Skeleton.ts"
import { SourceNatReader } from "./SourceNatReader.ts"
import { SourceNatWriter } from "./SourceNatWriter.ts"

/** The most lines of a difference that a message has. */
const LINES = 5

/**
 * Remembers the whole table `inet patela`, whatever is in it, as nft prints it, or that there is none; the effect puts it
 * back in one transaction. Counters come back with what they had counted then; a table that differs in nothing but them is
 * left as it is.
 */
export const checkpointTable = Effect.fn("SourceNat.checkpoint")(function*() {
  const reader = yield* SourceNatReader
  const before = yield* reader.text
  const look = Effect.map(reader.text, (now) => differences(before, now))
  return Effect.gen(function*() {
    if ((yield* look).length === 0) return done
    const refused = yield* (yield* SourceNatWriter).replace(before)
    const left = yield* look
    if (left.length === 0) return done
    const what = refused === undefined ? left.slice(0, LINES).join("; ") : refused
    return failed(`the table ${FAMILY} ${TABLE} is not as it was: ${what}`)
  }).pipe(
    Effect.catch(({ message }): Effect.Effect<Outcome> =>
      Effect.succeed(failed(`the table ${FAMILY} ${TABLE} may not be as it was: ${message}`))
    ),
    Effect.withSpan("SourceNat.restore")
  )
})

/** The lines that one text of a table has and the other has not, with what counts or runs out left aside. Pure. */
export const differences = (before: string | undefined, now: string | undefined): ReadonlyArray<string> => {
  const [old, found] = [linesOf(before), linesOf(now)]
  if (old.join("\n") === found.join("\n")) return []
  const lines = [
    ...old.filter((line) => !found.includes(line)).map((line) => `"${line}" is missing`),
    ...found.filter((line) => !old.includes(line)).map((line) => `"${line}" is too many`)
  ]
  return lines.length > 0 ? lines : ["the order of its lines is another"]
}

const linesOf = (text: string | undefined): ReadonlyArray<string> =>
  (text ?? "").split("\n").map((line) => line.replaceAll(COUNTED, "").trim()).filter((line) => line !== "")

/** A counter's numbers, a quota's, and how long an element has still to live (nft(8)). */
const COUNTED = / ?\b(?:packets \d+ bytes \d+|used \d+ \w+|expires \w+)/g
