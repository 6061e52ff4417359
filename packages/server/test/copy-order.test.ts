import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { copyOrder } from "../src/transfer/copyOrder.ts"

/** Tables 0 to n, each referring to earlier ones alone or to itself, in any order. */
const Acyclic = Schema.Array(Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 12 })))))
  .pipe(Schema.check(Schema.isMaxLength(12)))

describe("the order of tables", () => {
  it.prop("has each once and after what it refers to", [Acyclic, Schema.Boolean], ([references, reversed]) => {
    const tables = references.map((each, index) => ({
      name: `t${index}`,
      references: each.filter((other) => other <= index).map((other) => `t${other}`)
    }))
    const ordered = Result.getOrThrow(copyOrder(reversed ? tables.toReversed() : tables)).map(({ name }) => name)
    assert.deepStrictEqual(ordered.toSorted(), tables.map(({ name }) => name).toSorted())
    for (const { name, references } of tables) {
      for (const other of references) assert.isAtMost(ordered.indexOf(other), ordered.indexOf(name))
    }
  })

  it("is not there for a circle, or a table that is missing: they are named", () => {
    const circle = [{ name: "a", references: ["b"] }, { name: "b", references: ["a"] }, { name: "c", references: [] }]
    assert.deepStrictEqual(copyOrder(circle), Result.fail(["a", "b"]))
    assert.deepStrictEqual(copyOrder([{ name: "a", references: ["gone"] }]), Result.fail(["a"]))
  })
})
