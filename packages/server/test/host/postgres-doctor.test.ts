import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { chmodSync, writeFileSync } from "node:fs"
import { StoreServicesNoDatabase } from "../../src/commands/StoreServices.ts"
import { databaseClockFinding } from "../../src/doctor/clockFinding.ts"
import { examine } from "../../src/doctor/examine.ts"
import { newTokenKey } from "../../src/session/TokenKey.ts"
import { NetworkAdministration } from "../../src/settings/NetworkAdministration.ts"
import { layerOf } from "../../src/store/Store.ts"
import { TorrcLayers } from "../../src/torrc/TorrcLayers.ts"
import { patela } from "../rig/commandLine.ts"
import { network } from "../rig/Fleet.ts"
import { postgresForFile } from "../rig/postgresForFile.ts"
import { selfSigned } from "../rig/selfSigned.ts"
import { temporaryDirectory } from "../rig/temporaryDirectory.ts"
import { environment, poolVariables } from "../rig/TestApi.ts"
import { emptyDatabase } from "../rig/testDatabase.ts"

const cluster = postgresForFile()
const TIMEOUT = 180_000

const house = Effect.gen(function*() {
  const folder = yield* temporaryDirectory
  const { cert, key } = yield* selfSigned(folder)
  chmodSync(key, 0o600)
  writeFileSync(`${folder}/token.key`, Redacted.value(yield* newTokenKey), { mode: 0o600 })
  const { database, url } = yield* emptyDatabase(folder)
  const variables = { HOME: folder, PATELA_BISCUIT_KEY: `file:${folder}/token.key`, ...poolVariables }
  /** What is amiss, the certificate left out. */
  const amiss = Effect.fnUntraced(function*(DATABASE_URL: string = url) {
    const findings = yield* examine({ cert, key, name: undefined }).pipe(
      Effect.provide([NodeServices.layer, environment({ ...variables, DATABASE_URL })])
    )
    const { password } = cluster()
    assert.notInclude(JSON.stringify(findings), password)
    return findings.filter(({ check, level }) => level !== "fine" && check !== "certificate")
      .map(({ advice, check, level, message }) => `${level} ${check}: ${message} -> ${advice}`)
  })
  return { database, url, amiss, variables: { ...variables, PATELA_SERVER_CERT: cert, PATELA_SERVER_KEY: key } }
})

describe("patela doctor on PostgreSQL", () => {
  it("compares the clock of its machine with this one's", () => {
    assert.deepStrictEqual([-61, -60, 0, 60, 61].map((ahead) => databaseClockFinding(ahead).level), [
      "warning",
      "fine",
      "fine",
      "fine",
      "warning"
    ])
    assert.include(databaseClockFinding(-61).message, "61 s behind this one's")
  })

  it.live(
    "finds what is not in force there, says the statement that cures it, and is content once it was run",
    () =>
      Effect.gen(function*() {
        const { amiss, database, url, variables } = yield* house
        const [nothing = "", ...more] = yield* amiss()
        assert.match(nothing, /^wrong database: it cannot be read: .*which version/)
        assert.isEmpty(more)
        const none = yield* amiss(Object.assign(new URL(url), { pathname: "/nowhere" }).href)
        assert.match(none.join(), /^wrong database: The PostgreSQL database cannot be used/)

        const services = yield* Layer.build(Layer.provideMerge(StoreServicesNoDatabase, layerOf(database)))
        const sql = Context.get(services, SqlClient.SqlClient)
        yield* Context.get(services, TorrcLayers).import("test", { of: "default" }, "ContactInfo a\n")
        yield* Context.get(services, NetworkAdministration).set("test", network)
        assert.deepStrictEqual(yield* amiss(), [])
        const shown = yield* patela({ ...variables, DATABASE_URL: url }, ["doctor"])
        assert.deepStrictEqual([shown.code, shown.stderr], [3, ""], "the certificate ends tomorrow")
        for (const part of ["constraints, indexes, triggers and numbers are in force", "the database's machine"]) {
          assert.include(shown.stdout, part)
        }

        yield* sql.unsafe(
          `INSERT INTO nodes (id, ek_public, ak_public, ak_name, first_seen, last_seen, enabled, clock_ahead)
        VALUES (7, 'a', 'b', 'c', '', '', 1, 93)`
        )
        yield* sql.unsafe("CREATE UNIQUE INDEX half ON nodes (first_seen)")
        yield* sql.unsafe("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half'::regclass")
        yield* sql.unsafe("ALTER TABLE nodes ADD CONSTRAINT later CHECK (epoch > 0) NOT VALID")
        yield* sql.unsafe("ALTER TABLE sessions DISABLE TRIGGER ALL")
        yield* sql.unsafe(
          "INSERT INTO sessions (challenge, node_id, epoch, began_at, ends_at) VALUES ('lost', 99, 1, '', '')"
        )
        yield* sql.unsafe("ALTER TABLE audit DISABLE TRIGGER audit_not_changed")
        const found = yield* amiss()
        for (
          const part of [
            "warning node clocks: 1 of 1 are more than 60 s off the server's: node 7 (93 s ahead of it)",
            "constraint later of nodes was never checked -> Back it up (pg_dump), then: ALTER TABLE nodes VALIDATE",
            "index half is not valid -> Back it up (pg_dump), then: REINDEX INDEX half",
            "trigger audit_not_changed of audit is switched off",
            "trigger that keeps references of sessions is switched off",
            "next number of nodes would be 1, and there is 7 already -> Back it up (pg_dump), then: " +
            "SELECT setval('public.nodes_id_seq', 7)",
            "1 more like these"
          ]
        ) {
          assert.include(found.join("\n"), part)
        }
        assert.lengthOf(found, 7, found.join("\n"))

        for (const line of found) {
          const cure = /then: ((?:ALTER|REINDEX|SELECT) .*)$/.exec(line)?.[1]
          if (cure !== undefined) yield* sql.unsafe(cure)
        }
        const left = yield* amiss()
        assert.lengthOf(left, 2, left.join("\n"))
        assert.include(left.join("\n"), "1 rows of sessions refer by node_id to what is not in nodes")
        yield* sql.unsafe("DELETE FROM sessions")
        yield* sql.unsafe("UPDATE nodes SET clock_ahead = NULL")
        assert.deepStrictEqual(yield* amiss(), [])

        yield* sql.unsafe("ALTER TABLE audit DISABLE TRIGGER ALL")
        yield* sql.unsafe("DELETE FROM audit WHERE id = 1")
        yield* sql.unsafe("ALTER TABLE audit ENABLE TRIGGER ALL")
        assert.include((yield* amiss()).join("\n"), "wrong audit: it is not as it was written: entry 1 is missing")
        yield* sql.unsafe(
          "DELETE FROM patela_migrations WHERE migration_id = (SELECT MAX(migration_id) FROM patela_migrations)"
        )
        assert.match((yield* amiss()).join("\n"), /warning migrations: its schema is \d+, and \d+ is the newest/)
      }),
    TIMEOUT
  )
})
