import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseTorrc } from "../../src/torrc/parse.ts"
import { expectedProblem, handWritten, type Verdict } from "./handWritten.ts"

const cases = (verdict: Verdict) => handWritten(verdict).map((each) => [each.name, each] as const)

describe("torrcs written by hand", () => {
  it.each(cases("same"))("%s is read", (_, { torrc, defaults = "" }) => {
    for (const text of [torrc, defaults]) assert.isTrue(Result.isSuccess(parseTorrc(text)), text)
  })

  it.each([...cases("wrong"), ...cases("stricter")])("%s is refused where it says", (_, { torrc }) => {
    const { line, column, problems: [first] } = Result.getOrThrow(Result.flip(parseTorrc(torrc)))
    const expected = expectedProblem(torrc)
    assert.deepEqual({ line, column }, { line: expected.line, column: expected.column })
    assert.include(first?.message, expected.why)
  })
})
