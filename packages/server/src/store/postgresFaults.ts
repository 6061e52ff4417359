import { Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { Whole } from "./Column.ts"
import { asStoreFailed } from "./StoreFailed.ts"

/** Something that PostgreSQL would keep right by itself, and that is not: what, and the statement that puts it right. */
export interface PostgresFault {
  readonly fault: string
  readonly cure: string
}

const Named = Schema.Struct({ name: Schema.String, owner: Schema.String })

/** What was switched off or left unfinished, as a data-only restore and a failed CREATE INDEX CONCURRENTLY leave them. */
const switchedOff = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const constraints = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Named,
    execute: () =>
      sql`SELECT quote_ident(conname) AS name, conrelid::regclass::text AS owner FROM pg_constraint
        WHERE NOT convalidated AND connamespace = current_schema()::regnamespace ORDER BY 2, 1`
  })
  const indexes = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Named,
    execute: () =>
      sql`SELECT indexrelid::regclass::text AS name, indrelid::regclass::text AS owner FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace ORDER BY 1`
  })
  // Those that keep references are triggers too, and are switched off with them.
  const triggers = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Named,
    execute: () =>
      sql`SELECT DISTINCT CASE WHEN tgisinternal THEN 'that keeps references' ELSE quote_ident(tgname) END AS name,
          tgrelid::regclass::text AS owner FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid
        WHERE tgenabled NOT IN ('O', 'A') AND relnamespace = current_schema()::regnamespace ORDER BY 2, 1`
  })
  return [
    ...(yield* constraints()).map(({ name, owner }): PostgresFault => ({
      fault: `the constraint ${name} of ${owner} was never checked`,
      cure: `ALTER TABLE ${owner} VALIDATE CONSTRAINT ${name}`
    })),
    ...(yield* indexes()).map(({ name }): PostgresFault => ({
      fault: `the index ${name} is not valid`,
      cure: `REINDEX INDEX ${name}`
    })),
    ...(yield* triggers()).map(({ name, owner }): PostgresFault => ({
      fault: `the trigger ${name} of ${owner} is switched off`,
      cure: `ALTER TABLE ${owner} ENABLE TRIGGER ALL`
    }))
  ]
})

/** Numbers that would be given a second time. The entries of the audit log are numbered by its head. */
const numbers = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const numbered = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Schema.Struct({ table: Schema.String, column: Schema.String, sequence: Schema.String }),
    execute: () =>
      sql`SELECT table_name AS "table", column_name AS "column",
          pg_get_serial_sequence(quote_ident(table_name), column_name) AS sequence FROM information_schema.columns
        WHERE table_schema = current_schema() AND is_identity = 'YES' AND table_name <> 'audit' ORDER BY 1`
  })
  const faults: Array<PostgresFault> = []
  for (const { column, sequence, table } of yield* numbered()) {
    const found = yield* SqlSchema.findAll({
      Request: Schema.Void,
      Result: Schema.Struct({ next: Whole, highest: Schema.NullOr(Whole) }),
      execute: () =>
        sql`SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END AS next,
          (SELECT MAX(${sql(column)}) FROM ${sql(table)}) AS highest FROM ${sql.literal(sequence)}`
    })()
    for (const { highest, next } of found) {
      if (highest === null || next > highest) continue
      faults.push({
        fault: `the next number of ${table} would be ${next}, and there is ${highest} already`,
        cure: `SELECT setval('${sequence}', ${highest})`
      })
    }
  }
  return faults
})

/** Rows that refer to what is not there, which switched-off triggers let in. All of Patela's references have one column. */
const dangling = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const references = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Schema.Struct({
      child: Schema.String,
      column: Schema.String,
      parent: Schema.String,
      parent_column: Schema.String
    }),
    execute: () =>
      sql`SELECT conrelid::regclass::text AS child, own.attname AS "column", confrelid::regclass::text AS parent,
          theirs.attname AS parent_column FROM pg_constraint
        JOIN pg_attribute own ON own.attrelid = conrelid AND own.attnum = conkey[1]
        JOIN pg_attribute theirs ON theirs.attrelid = confrelid AND theirs.attnum = confkey[1]
        WHERE contype = 'f' AND cardinality(conkey) = 1 AND connamespace = current_schema()::regnamespace ORDER BY 1, 2`
  })
  const faults: Array<PostgresFault> = []
  for (const { child, column, parent, parent_column } of yield* references()) {
    const lost = yield* SqlSchema.findAll({
      Request: Schema.Void,
      Result: Schema.Struct({ lost: Whole }),
      execute: () =>
        sql`SELECT COUNT(*) AS lost FROM ${sql.literal(child)} AS child
          LEFT JOIN ${sql.literal(parent)} AS parent ON parent.${sql(parent_column)} = child.${sql(column)}
          WHERE child.${sql(column)} IS NOT NULL AND parent.${sql(parent_column)} IS NULL`
    })()
    for (const { lost: count } of lost) {
      if (count === 0) continue
      faults.push({
        fault: `${count} rows of ${child} refer by ${column} to what is not in ${parent}`,
        cure: "put back a dump that has both (pg_restore)"
      })
    }
  }
  return faults
})

/**
 * What of a PostgreSQL database is not as the migrations leave it: constraints, indexes and triggers that are not in force, numbers
 * that would be given twice, rows without what they refer to (PostgreSQL manual, 53: pg_constraint, pg_index, pg_trigger).
 * That pages are whole, pg_amcheck says. Nothing is written.
 */
export const postgresFaults = Effect.gen(function*() {
  return [...yield* switchedOff, ...yield* numbers, ...yield* dangling]
}).pipe(asStoreFailed("be checked"))
