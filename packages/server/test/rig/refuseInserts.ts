import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Has the database refuse rows of a table, those alone that a condition over `NEW` holds for. Returns what undoes it. */
export const refuseInserts = Effect.fnUntraced(function*(table: string, condition = "1 = 1") {
  const sql = yield* SqlClient.SqlClient
  return yield* sql.onDialectOrElse({
    pg: () =>
      sql.unsafe(
        `CREATE FUNCTION half() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk on fire'; END $$`
      ).pipe(
        Effect.andThen(sql.unsafe(
          `CREATE TRIGGER half BEFORE INSERT ON ${table} FOR EACH ROW WHEN (${condition}) EXECUTE FUNCTION half()`
        )),
        Effect.as(sql.unsafe(`DROP TRIGGER half ON ${table}`))
      ),
    orElse: () =>
      sql.unsafe(
        `CREATE TRIGGER half BEFORE INSERT ON ${table} WHEN ${condition} BEGIN SELECT RAISE(ABORT, 'disk on fire'); END`
      ).pipe(Effect.as(sql.unsafe("DROP TRIGGER half")))
  })
})
