import { Result, Schema } from "effect"
import { Algorithm } from "../structures/Algorithm.ts"
import type { PcrSelection } from "./PcrSelection.ts"

/** A text that selects no PCRs. */
export class NotAPcrSelection extends Schema.TaggedError<NotAPcrSelection>()("NotAPcrSelection", {
  text: Schema.String,
  message: Schema.String
}) {}

const banks = new Map([
  ["sha1", Algorithm.sha1],
  ["sha256", Algorithm.sha256],
  ["sha384", Algorithm.sha384],
  ["sha512", Algorithm.sha512]
])

/** More than all PCRs of all banks take. */
const MAX_TEXT = 512
const LAST_PCR = 23

/**
 * A selection in the words of tpm2-tools, such as `sha256:0,1,7+sha384:0`, the inverse of `pcrSelectionText`. Banks keep
 * their order and are there once, each with at least one PCR; PCRs may come in any order and are sorted.
 */
export const parsePcrSelection = (text: string): Result.Result<PcrSelection, NotAPcrSelection> => {
  const refused = (reason: string) =>
    Result.fail(
      new NotAPcrSelection({
        text: text.slice(0, MAX_TEXT),
        message: `${JSON.stringify(text.slice(0, MAX_TEXT))} selects no PCRs: ${reason}. Give for example sha256:0,1,7.`
      })
    )
  if (text.length > MAX_TEXT) return refused(`it is longer than ${MAX_TEXT} characters`)
  const selection = new Map<number, ReadonlyArray<number>>()
  for (const part of text.split("+")) {
    const [, name = "", list = ""] = /^([a-z0-9]+):(\d{1,2}(?:,\d{1,2})*)$/.exec(part) ?? []
    const hash = banks.get(name)
    if (hash === undefined) return refused(`${JSON.stringify(part)} is not a bank, a colon and numbers`)
    if (selection.has(hash)) return refused(`${name} is there twice`)
    const pcrs = list.split(",").map(Number).toSorted((left, right) => left - right)
    if (pcrs.some((pcr) => pcr > LAST_PCR)) return refused(`there is no PCR above ${LAST_PCR}`)
    if (new Set(pcrs).size < pcrs.length) return refused(`${name} has a PCR twice`)
    selection.set(hash, pcrs)
  }
  return Result.succeed([...selection].map(([hash, pcrs]) => ({ hash, pcrs })))
}
