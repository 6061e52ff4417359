import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { parsePcrSelection } from "../src/quote/parsePcrSelection.ts"
import { pcrSelectionText } from "../src/quote/PcrSelection.ts"
import { Algorithm } from "../src/structures/Algorithm.ts"
import { failure } from "./fixtures.ts"

const Pcr = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 23 })))
const hashes = [Algorithm.sha512, Algorithm.sha1, Algorithm.sha384, Algorithm.sha256]

describe("selections of PCRs in words", () => {
  it.prop("are read as they are written, in any order of the PCRs", [
    Schema.Array(Schema.Array(Pcr).pipe(Schema.check(Schema.isMinLength(1)))).pipe(
      Schema.check(Schema.isMinLength(1), Schema.isMaxLength(4))
    )
  ], ([lists]) => {
    const selection = lists.map((pcrs, at) => ({
      hash: hashes[at] ?? Algorithm.sha256,
      pcrs: [...new Set(pcrs)].toSorted((left, right) => left - right)
    }))
    assert.deepStrictEqual(Result.getOrThrow(parsePcrSelection(pcrSelectionText(selection))), selection)
    const turned = selection.map(({ hash, pcrs }) => ({ hash, pcrs: pcrs.toReversed() }))
    assert.deepStrictEqual(Result.getOrThrow(parsePcrSelection(pcrSelectionText(turned))), selection)
  }, { arbitrary: { runs: 300 } })

  it.each([
    ["", "not a bank"],
    ["sha256", "not a bank"],
    ["sha256:", "not a bank"],
    ["md5:0", "not a bank"],
    ["sha256:0,", "not a bank"],
    ["sha256:-1", "not a bank"],
    ["sha256:0 ", "not a bank"],
    ["sha256:24", "above 23"],
    ["sha256:1,01", "twice"],
    ["sha256:1+sha256:2", "twice"],
    ["sha256:1+", "not a bank"],
    [`sha256:${"0,".repeat(300)}0`, "longer"]
  ])("refuses %j and says why", (text, reason) => {
    assert.include(failure(parsePcrSelection(text)).message, reason)
  })
})
