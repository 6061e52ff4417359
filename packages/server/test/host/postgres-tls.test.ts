import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { unmigrated } from "../../src/store/Store.ts"
import { postgresForFile } from "../rig/postgresForFile.ts"
import { selfSigned } from "../rig/selfSigned.ts"
import { temporaryDirectory } from "../rig/temporaryDirectory.ts"

const cluster = postgresForFile()

/** Whether a connection with these parameters is encrypted. */
const encrypted = (parameters: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`).pipe(
    Effect.map(([row]) => row?.["ssl"]),
    Effect.provide(
      Layer.fresh(unmigrated({ engine: "postgres", url: Redacted.make(`${cluster().url("postgres")}${parameters}`) }))
    )
  )

describe("a connection to PostgreSQL", () => {
  it.effect("is encrypted where the URL says so, to a server with the certificate that it names alone", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* encrypted("?sslmode=disable"), false)
      assert.strictEqual(yield* encrypted(`?sslmode=verify-full&sslrootcert=${cluster().certificate}`), true)
      const other = yield* selfSigned(yield* temporaryDirectory)
      for (const wrong of ["?sslmode=verify-full", `?sslmode=require&sslrootcert=${other.cert}`]) {
        const refused = yield* Effect.flip(encrypted(wrong))
        assert.match(refused.message, /self-signed certificate|self signed certificate/)
      }
      const missing = yield* Effect.flip(encrypted("?sslmode=verify-full&sslrootcert=/nothing/there"))
      assert.include(missing.message, "sslrootcert cannot be read")
    }))
})
