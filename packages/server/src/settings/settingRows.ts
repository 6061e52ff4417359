import { Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"

/** The table of settings, whose values are of one schema; what a change of one counts as, the caller knows. */
export const settingRows = Effect.fnUntraced(function*<Value>(value: Schema.Codec<Value, string>) {
  const sql = yield* SqlClient.SqlClient
  const read = SqlSchema.findOneOption({
    Request: Schema.String,
    Result: Schema.Struct({ value }),
    execute: (name) => sql`SELECT value FROM settings WHERE name = ${name}`
  })
  const write = (name: string, text: string) =>
    sql`INSERT INTO settings ${sql.insert({ name, value: text })}
    ON CONFLICT (name) DO UPDATE SET value = excluded.value`
  return { read, write }
})
