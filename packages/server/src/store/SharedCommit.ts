import { Deferred, Exit } from "effect"
import { SqlError } from "effect/sql"
import type { DatabaseSync } from "node:sqlite"

/** Statements that write, and may be in a transaction with others. */
const WRITES = /^\s*(?:INSERT|UPDATE|DELETE)\b/i
const READS = /^\s*(?:SELECT|WITH|EXPLAIN)\b/i

/** When what was done together is on disk, or why nothing of it is. */
export type Settled = Deferred.Deferred<void, SqlError.SqlError>

export const sqliteFailure = (cause: unknown, operation: string): SqlError.SqlError =>
  new SqlError.SqlError({
    reason: SqlError.classifySqliteError(cause, {
      message: cause instanceof Error ? cause.message : "SQLite failed",
      operation
    })
  })

const takenBack = new Error("SQLite took back the transaction that this was part of")

/**
 * Commits together what is written in one turn of the event loop: a commit waits for the disk, and everything waits with
 * it. Each transaction is a savepoint of the one that is committed, so each can be taken back alone. Nobody may be told
 * what was written, or what was read meanwhile, before `open` is settled.
 *
 * Transactions of this connection come one after another, as they do without this: the caller sees to that.
 */
export class SharedCommit {
  readonly #database: DatabaseSync
  readonly #run: (sql: string) => void
  #open: Settled | undefined
  #inside = false
  #due = false

  /** `run` runs a statement that says nothing. */
  constructor(database: DatabaseSync, run: (sql: string) => void) {
    this.#database = database
    this.#run = run
  }

  /** What was done since the last commit, where there is any such. */
  get open(): Settled | undefined {
    return this.#open
  }

  /** Whether a transaction is under way. */
  get inside(): boolean {
    return this.#inside
  }

  begin(): void {
    if (this.#open !== undefined && !this.#database.isTransaction) this.#settle(takenBack)
    if (this.#open === undefined) {
      this.#run("BEGIN IMMEDIATE")
      this.#open = Deferred.makeUnsafe()
      setImmediate(() => this.commit())
    }
    this.#run("SAVEPOINT one")
    this.#inside = true
  }

  end(): void {
    this.#run("RELEASE one")
    this.#left()
  }

  /** Takes back the transaction under way, and nothing else, where SQLite did not take back all. */
  undo(): void {
    if (this.#database.isTransaction) {
      this.#run("ROLLBACK TO one")
      this.#run("RELEASE one")
    } else this.#settle(takenBack)
    this.#left()
  }

  /** A statement by itself. What can be in no transaction, such as VACUUM, finds none open. */
  alone<A>(sql: string, run: () => A): A {
    if (READS.test(sql)) return run()
    if (!WRITES.test(sql)) {
      this.commit()
      return run()
    }
    this.begin()
    try {
      const result = run()
      this.end()
      return result
    } catch (error) {
      this.undo()
      throw error
    }
  }

  /** Commits now, or where a transaction is under way, at its end. */
  commit(): void {
    this.#due = this.#inside
    if (this.#inside || this.#open === undefined) return
    if (!this.#database.isTransaction) return this.#settle(takenBack)
    try {
      this.#run("COMMIT")
      this.#settle(undefined)
    } catch (error) {
      if (this.#database.isTransaction) this.#run("ROLLBACK")
      this.#settle(error)
    }
  }

  #left(): void {
    this.#inside = false
    if (this.#due) this.commit()
  }

  #settle(cause: unknown): void {
    const settled = this.#open
    this.#open = undefined
    if (settled === undefined) return
    Deferred.doneUnsafe(settled, cause === undefined ? Exit.void : Exit.fail(sqliteFailure(cause, "commit")))
  }
}
