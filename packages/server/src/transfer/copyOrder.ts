import { Result } from "effect"

/** A table, and the tables that its rows name rows of. */
export interface Referring {
  readonly name: string
  readonly references: ReadonlyArray<string>
}

/**
 * The tables in an order in which each comes after those that it refers to, a table that refers to itself included. Fails
 * with the names of those that refer to each other in a circle, or to a table that is not there.
 */
export const copyOrder = <Table extends Referring>(
  tables: ReadonlyArray<Table>
): Result.Result<ReadonlyArray<Table>, ReadonlyArray<string>> => {
  const ordered: Array<Table> = []
  const done = new Set<string>()
  let left = tables
  while (left.length > 0) {
    const ready = left.filter(({ name, references }) => references.every((other) => other === name || done.has(other)))
    if (ready.length === 0) return Result.fail(left.map(({ name }) => name))
    for (const table of ready) {
      ordered.push(table)
      done.add(table.name)
    }
    left = left.filter(({ name }) => !done.has(name))
  }
  return Result.succeed(ordered)
}
