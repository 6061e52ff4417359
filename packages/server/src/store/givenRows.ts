import type { SqlClient, Statement } from "effect/sql"

/** A column of given rows, as both databases have its type. */
export type GivenType = "INTEGER" | "BIGINT" | "TEXT"

/**
 * Rows that come with a statement, as a table `given` to read, insert or update from: one parameter, however many rows
 * there are, so the statement is the same and was prepared before. Names of columns are written as they are.
 */
export const givenRows = <Column extends string>(
  sql: SqlClient.SqlClient,
  columns: Readonly<Record<Column, GivenType>>
) => {
  const types = Object.entries<GivenType>(columns)
  const asRecords = sql.literal(types.map(([name, type]) => `${name} ${type}`).join(", "))
  const asValues = sql.literal(types.map(([name]) => `value ->> '${name}' AS ${name}`).join(", "))
  return (rows: ReadonlyArray<Readonly<Record<NoInfer<Column>, string | number | null>>>): Statement.Fragment => {
    const text = JSON.stringify(rows)
    return sql.onDialectOrElse({
      // As text first: the driver would write JSON of the text.
      pg: () => sql`json_to_recordset(CAST(CAST(${text} AS TEXT) AS JSON)) AS given (${asRecords})`,
      orElse: () => sql`(SELECT ${asValues} FROM json_each(${text})) AS given`
    })
  }
}
