import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../../src/audit/Audit.ts"
import { verifyAudit } from "../../src/audit/verifyAudit.ts"
import { StoreServicesNoDatabase } from "../../src/commands/StoreServices.ts"
import { Relays } from "../../src/relays/Relays.ts"
import { layerOf, unmigrated } from "../../src/store/Store.ts"
import { eventually } from "../rig/eventually.ts"
import { httpsAsk } from "../rig/httpsAsk.ts"
import { httpsEvents } from "../rig/httpsEvents.ts"
import { lastGeneration } from "../rig/lastGeneration.ts"
import { pgBouncer } from "../rig/PgBouncer.ts"
import { postgresForFile } from "../rig/postgresForFile.ts"
import { runningPatela } from "../rig/runningPatela.ts"
import { soonest } from "../rig/soonest.ts"

const cluster = postgresForFile()

const TIMEOUT = 180_000

const specs = JSON.stringify({ n_cpus: 2, memory: 8 * 1024 ** 3, cpu_name: "test" })

const opened = (url: string, direct?: string) =>
  Layer.build(Layer.fresh(unmigrated({
    engine: "postgres",
    url: Redacted.make(url),
    ...direct === undefined ? {} : { direct: Redacted.make(direct) }
  })))

describe("a PgBouncer that pools transactions", () => {
  it.effect("is refused where it was not said to be there, with what to set", () =>
    Effect.gen(function*() {
      const url = cluster().url("postgres")
      const ignoring = { ignore_startup_parameters: "idle_in_transaction_session_timeout,lock_timeout" }
      const sql = Context.get(yield* opened(url), SqlClient.SqlClient)
      // As somebody may have it anyway: that it is in force does not say where from.
      yield* sql`ALTER ROLE patela SET lock_timeout = '20s'`
      yield* Effect.addFinalizer(() => Effect.ignore(sql`ALTER ROLE patela RESET lock_timeout`))
      for (const more of [{}, ignoring]) {
        const refused = yield* Effect.flip(opened(yield* pgBouncer(url, more)))
        assert.include(refused.message, "PATELA_DATABASE_DIRECT_URL")
        assert.notInclude(refused.message, cluster().password)
      }
    }))

  it.effect("has transactions with limits of their own, of which nothing stays behind", () =>
    Effect.gen(function*() {
      const url = cluster().url("postgres")
      const sql = Context.get(yield* opened(yield* pgBouncer(url), url), SqlClient.SqlClient)
      const limits = Effect.map(
        sql`SELECT current_setting('lock_timeout') AS lock, current_setting('idle_in_transaction_session_timeout') AS idle`,
        ([row]) => ({ ...row })
      )
      const within = Effect.forEach(Array.from({ length: 20 }), () => sql.withTransaction(limits), { concurrency: 10 })
      for (const found of yield* within) assert.deepStrictEqual(found, { lock: "20s", idle: "15s" })
      const outside = yield* Effect.forEach(Array.from({ length: 20 }), () => limits, { concurrency: 10 })
      for (const found of outside) assert.deepStrictEqual(found, { lock: "0", idle: "0" })
    }))

  it.effect("serves two servers that hear of each other over PostgreSQL itself", () =>
    Effect.gen(function*() {
      const first = yield* runningPatela
      const direct = first.url
      const through = { DATABASE_URL: yield* pgBouncer(direct), PATELA_DATABASE_DIRECT_URL: direct }
      const servers = [yield* first.start(0, through), yield* first.start(0, through)] as const
      yield* first.server.stop
      const ask = (server: 0 | 1, path: string, token: string, body?: string) =>
        httpsAsk({ port: servers[server].port, ca: first.pem, path, token, ...body === undefined ? {} : { body } })

      const nodes = yield* Effect.forEach(Array.from({ length: 20 }), () => first.enrolledAt(servers[0].port))
      const answers = yield* Effect.forEach(nodes, ({ token }, index) =>
        Effect.gen(function*() {
          const server = index % 2 === 0 ? 0 : 1
          const given = yield* ask(server, "/private/specs", token, specs)
          return [given.text, (yield* ask(server, "/private/config/node", token)).status]
        }), { concurrency: "unbounded" })
      assert.deepStrictEqual(answers, nodes.map(() => ["{\"relays\":2}", 200]))

      const [node] = nodes
      if (node === undefined) return assert.fail("no node")
      const stream = yield* httpsEvents({ port: servers[1].port, ca: first.pem, token: node.token })
      yield* eventually("the first event", () => stream.text() !== "", 30_000)
      const within = yield* soonest((geoip) =>
        Effect.gen(function*() {
          const before = lastGeneration(stream.text())
          yield* first.administration.set("test", node.id, "geoip", geoip)
          return yield* eventually("an event", () => lastGeneration(stream.text()) > before, 10_000)
        })
      )
      assert.isBelow(within, 1000)

      const database = {
        engine: "postgres",
        url: Redacted.make(through.DATABASE_URL),
        direct: Redacted.make(direct)
      } as const
      const services = yield* Layer.build(Layer.fresh(Layer.provideMerge(StoreServicesNoDatabase, layerOf(database))))
      const relays = yield* Context.get(services, Relays).list
      assert.strictEqual(relays.length, 40)
      for (const field of ["name", "ip_v4"] as const) {
        assert.strictEqual(new Set(relays.map((relay) => relay[field])).size, 40)
      }
      assert.isAbove((yield* Context.get(services, Audit).newest(100)).length, 40)
      assert.deepStrictEqual((yield* Effect.provide(verifyAudit(), services)).faults, [])
    }), TIMEOUT)
})
