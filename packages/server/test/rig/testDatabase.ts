import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import type { Database } from "../../src/store/DatabaseUrl.ts"
import { layerOf, unmigrated } from "../../src/store/Store.ts"
import { KEEP_SEED, RECYCLE } from "./recycled.ts"

/** Which PostgreSQL the tests are to use, as the URL of a database whose user may make others; SQLite unless it is set. */
export const POSTGRES_VARIABLE = "PATELA_TEST_POSTGRES"

/** A database of this version with nothing in it, that the others are copied from. */
const TEMPLATE = "patela_template"

export interface TestDatabase {
  /** As DATABASE_URL has it. */
  readonly url: string
  readonly database: Database
}

const postgres = (url: string): TestDatabase => ({ url, database: { engine: "postgres", url: Redacted.make(url) } })

const named = (url: string, name: string): string => Object.assign(new URL(url), { pathname: `/${name}` }).href

const nameOf = (url: string): string => new URL(url).pathname.slice(1)

/** Runs one statement in the database of a URL. */
const statementAt = (url: string, text: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql.unsafe(text)
  }).pipe(Effect.provide(Layer.fresh(unmigrated(postgres(url).database))), Effect.orDie)

const create = (admin: string, template: string) =>
  Effect.suspend(() => {
    const url = named(admin, `patela_${randomBytes(6).toString("hex")}`)
    return Effect.as(statementAt(admin, `CREATE DATABASE ${nameOf(url)} TEMPLATE ${template}`), url)
  })

/** Those of tests that have ended, as good as new. */
const free: Array<string> = []

const onSqlite = (folder: string): TestDatabase => ({
  url: `sqlite:${folder}/patela.db`,
  database: { engine: "sqlite", path: `${folder}/patela.db` }
})

/** An empty database of the test's own: `patela.db` in the folder, or one of PostgreSQL, dropped with the scope. */
export const emptyDatabase = (folder: string) =>
  Effect.suspend(() => {
    const admin = process.env[POSTGRES_VARIABLE]
    if (admin === undefined) return Effect.succeed(onSqlite(folder))
    const dropped = (url: string) => statementAt(admin, `DROP DATABASE ${nameOf(url)} WITH (FORCE)`)
    return Effect.map(Effect.acquireRelease(create(admin, "template0"), dropped), postgres)
  })

/** The same, which on PostgreSQL has this version's tables already; a SQLite file has them as soon as it is opened. */
export const testDatabase = (folder: string) =>
  Effect.suspend(() => {
    const admin = process.env[POSTGRES_VARIABLE]
    if (admin === undefined) return Effect.succeed(onSqlite(folder))
    const next = free.pop()
    return Effect.map(
      Effect.acquireRelease(
        next === undefined ? create(admin, TEMPLATE) : Effect.succeed(next),
        (url) => Effect.tap(statementAt(url, RECYCLE), () => Effect.sync(() => free.push(url)))
      ),
      postgres
    )
  })

/** Makes the template of `testDatabase`. */
export const makeTemplate = Effect.fnUntraced(function*(admin: string) {
  yield* statementAt(admin, `CREATE DATABASE ${TEMPLATE} TEMPLATE template0`)
  const template = named(admin, TEMPLATE)
  yield* Effect.scoped(Layer.build(layerOf(postgres(template).database)))
  yield* statementAt(template, KEEP_SEED)
})
