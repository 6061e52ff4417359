import { assert, describe, it } from "@effect/vitest"
import { storable } from "@patela/domain/api/storable"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { givenRows } from "../src/store/givenRows.ts"
import { layerOf } from "../src/store/Store.ts"
import { runs } from "./rig/runs.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"
import { testDatabase } from "./rig/testDatabase.ts"

const whole = (most: number) => Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: -most, maximum: most })))

const Rows = Schema.Array(Schema.Struct({
  small: Schema.NullOr(whole(2 ** 31 - 1)),
  large: Schema.NullOr(whole(Number.MAX_SAFE_INTEGER)),
  words: Schema.NullOr(Schema.String)
})).pipe(Schema.check(Schema.isMaxLength(70)))

const store = Layer.unwrap(
  Effect.map(Effect.flatMap(temporaryDirectory, testDatabase), ({ database }) => layerOf(database))
)

const columns = { at: "INTEGER", small: "INTEGER", large: "BIGINT", words: "TEXT" } as const

describe("rows that come with a statement", () => {
  it.effect.prop("law: are read as they were given, in their types", [Rows], ([rows]) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const stored = rows.map(({ words, ...row }, at) => ({
        at,
        ...row,
        words: words === null ? null : storable(words)
      }))
      const found = yield* sql`SELECT at, small, large, words FROM ${givenRows(sql, columns)(stored)} ORDER BY at`
      assert.deepStrictEqual(found.map((row) => ({ ...row })), stored)
    }).pipe(Effect.provide(store)), runs(50))

  it.effect("are text where they look like something else", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const words = ["", "1", "1e3", "null", "{}", "[1]", "\"", "'", "\\", "\n", "%s", "$1", "?", "ü", "😀"]
      const given = givenRows(sql, { words: "TEXT" })(words.map((word) => ({ words: word })))
      yield* sql`CREATE TABLE of_words (words TEXT)`
      yield* sql`INSERT INTO of_words (words) SELECT words FROM ${given}`
      const found = yield* sql`SELECT words FROM of_words`
      yield* sql`DROP TABLE of_words`
      assert.deepStrictEqual(found.map((row) => String(row["words"])), words)
    }).pipe(Effect.provide(store)))
})
