import { assert, describe, it } from "@effect/vitest"
import { Ed25519Fingerprint, Fingerprints, RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Deferred, Effect, Fiber, Layer, Option } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { Allocator } from "../../src/allocate/Allocator.ts"
import { PoolSettings } from "../../src/allocate/PoolSettings.ts"
import { Audit } from "../../src/audit/Audit.ts"
import { verifyAudit } from "../../src/audit/verifyAudit.ts"
import { StoreServicesNoDatabase } from "../../src/commands/StoreServices.ts"
import { Nodes } from "../../src/nodes/Nodes.ts"
import { Report } from "../../src/nodes/Report.ts"
import { RelayAdministration } from "../../src/relays/RelayAdministration.ts"
import { Relays } from "../../src/relays/Relays.ts"
import { Sessions } from "../../src/session/Sessions.ts"
import { layerOf } from "../../src/store/Store.ts"
import { makeTurn } from "../../src/store/Turn.ts"
import { ekHashOf } from "../../src/trust/EkHash.ts"
import { TrustPolicy } from "../../src/trust/TrustPolicy.ts"
import { enlistMany, node1, specs } from "../rig/Fleet.ts"
import { postgresForFile } from "../rig/postgresForFile.ts"
import { temporaryDirectory } from "../rig/temporaryDirectory.ts"
import { environment, poolVariables } from "../rig/TestApi.ts"
import { testDatabase } from "../rig/testDatabase.ts"

postgresForFile()

/** What a server does with the database, so many times over: each has connections of its own. */
const serversAt = Effect.fnUntraced(function*(count: number) {
  const { database } = yield* testDatabase(yield* temporaryDirectory)
  const server = Layer.mergeAll(Allocator.layer, Report.layer, Sessions.layer).pipe(
    Layer.provideMerge(Layer.provide(PoolSettings.layer, environment(poolVariables))),
    Layer.provideMerge(StoreServicesNoDatabase),
    Layer.provideMerge(layerOf(database))
  )
  return yield* Effect.forEach(Array.from({ length: count }), () => Layer.build(Layer.fresh(server)))
})

const both = Effect.map(serversAt(2), ([one, two]) => {
  if (one === undefined || two === undefined) throw new Error("two were asked for")
  return [one, two] as const
})

const together = { concurrency: "unbounded" } as const

/**
 * Until a fiber's statement waits for a lock of another's transaction, or the fiber has ended without. Within a transaction
 * PostgreSQL would go on showing the connections that were there at the first look.
 */
const untilWaiting = Effect.fnUntraced(function*(sql: SqlClient.SqlClient, fiber: Fiber.Fiber<unknown, unknown>) {
  while (fiber.pollUnsafe() === undefined) {
    yield* sql`SELECT pg_stat_clear_snapshot()`
    const waiting = yield* sql`SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`
    if (waiting.length > 0) return
  }
})

const fingerprint = (letter: string) =>
  Fingerprints.make({
    rsa: RsaFingerprint.make(letter.toUpperCase().repeat(40)),
    ed25519: Ed25519Fingerprint.make(letter.repeat(43))
  })

describe("servers at one PostgreSQL at the same time", () => {
  it.effect("allocate nothing twice, and the same to a node that asks both", () =>
    Effect.gen(function*() {
      const servers = yield* both
      const machines = yield* Effect.provide(enlistMany(25), servers[0])
      const counts = yield* Effect.forEach(
        [...machines, ...machines].flatMap((
          node,
          index
        ) => [[node, index % 2 === 0] as const, [node, index % 2 === 1] as const]),
        ([node, first]) => Context.get(servers[first ? 0 : 1], Allocator).allocate(node, specs),
        together
      )
      assert.deepStrictEqual(new Set(counts), new Set([3]))
      const relays = yield* Context.get(servers[0], Relays).list
      assert.strictEqual(relays.length, 75)
      for (const field of ["name", "ip_v4"] as const) {
        assert.strictEqual(new Set(relays.map((relay) => relay[field])).size, 75)
      }
      assert.deepStrictEqual((yield* Effect.provide(verifyAudit(), servers[0])).faults, [], "one chain of entries")
    }))

  it.effect("take reports and allocations of the same nodes at once, in whatever order", () =>
    Effect.gen(function*() {
      const servers = yield* both
      const machines = yield* Effect.provide(enlistMany(30), servers[0])
      yield* Effect.forEach(machines, (node) => Context.get(servers[0], Allocator).allocate(node, specs), together)
      const own = Map.groupBy(yield* Context.get(servers[0], Relays).list, ({ node_id }) => node_id)
      const asking = servers.flatMap((server, which) =>
        (which === 0 ? machines : machines.toReversed()).flatMap((node) => {
          const relays = (own.get(node.id) ?? []).map(({ name }) => ({ name, fingerprint: null, blocked: `${which}` }))
          const report = { relays, tor_version: "0.4.9.11", generation: 1, rolled_back: null }
          return [
            Context.get(server, Allocator).allocate(node, { ...specs, n_cpus: 4 }),
            Effect.as(Context.get(server, Report).take(node.id, report), 4)
          ]
        })
      )
      assert.deepStrictEqual(new Set(yield* Effect.all(asking, together)), new Set([4]))
      assert.strictEqual((yield* Context.get(servers[0], Relays).list).length, 120)
      assert.deepStrictEqual((yield* Effect.provide(verifyAudit(), servers[0])).faults, [])
    }))

  it.effect("take no more machines onto the waiting list than it has room for, and each once", () =>
    Effect.gen(function*() {
      const servers = yield* both
      const machines = Array.from({ length: 60 }, (_, index) => index % 30)
      const enlisted = yield* Effect.forEach(
        machines,
        (machine, index) =>
          Context.get(servers[index % 2 === 0 ? 0 : 1], Nodes).enlist(
            { ek_public: `e${machine}`, ak_public: `a${machine}`, ak_name: `n${machine}` },
            { machines: 20, days: 30 }
          ),
        together
      )
      const ids = enlisted.flatMap((node) => Option.isSome(node) ? [node.value.id] : [])
      assert.strictEqual(new Set(ids).size, 20)
      assert.strictEqual((yield* Context.get(servers[0], Nodes).list).length, 20)
    }))

  it.effect("do not replace a relay that is removed while its node asks", () =>
    Effect.gen(function*() {
      const servers = yield* both
      const [node] = yield* Effect.provide(enlistMany(1), servers[0])
      if (node === undefined) return assert.fail("no node")
      yield* Context.get(servers[0], Allocator).allocate(node, { ...specs, n_cpus: 8 })
      const names = (yield* Context.get(servers[0], Relays).ofNode(node1)).map(({ name }) => name)
      for (const [index, name] of names.entries()) {
        yield* Effect.all([
          Context.get(servers[0], RelayAdministration).remove("test", RelayName.make(name)),
          Context.get(servers[1], Allocator).allocate(node, { ...specs, n_cpus: 8 }),
          Context.get(servers[0], Allocator).allocate(node, { ...specs, n_cpus: 8 })
        ], together)
        assert.strictEqual((yield* Context.get(servers[1], Relays).list).length, names.length - index - 1)
      }
    }))

  it.effect("have an allocation wait for a removal that has begun, and see what came of it", () =>
    Effect.gen(function*() {
      const servers = yield* both
      const [node] = yield* Effect.provide(enlistMany(1), servers[0])
      if (node === undefined) return assert.fail("no node")
      yield* Context.get(servers[0], Allocator).allocate(node, specs)
      const sql = Context.get(servers[0], SqlClient.SqlClient)
      const asking = yield* sql.withTransaction(Effect.gen(function*() {
        yield* (yield* Effect.provide(makeTurn("allocation"), servers[0])).take
        // Who does not wait for the turn waits here, with the node's number of relays in hand as it was.
        yield* sql`LOCK TABLE relays IN ACCESS EXCLUSIVE MODE`
        const asking = yield* Effect.forkChild(Context.get(servers[1], Allocator).allocate(node, specs))
        yield* untilWaiting(sql, asking)
        yield* Context.get(servers[0], RelayAdministration).remove("test", RelayName.make("toma"))
        return asking
      }))
      assert.strictEqual(yield* Fiber.join(asking), 2)
    }))

  it.effect("count a machine that another server is about to list", () =>
    Effect.gen(function*() {
      const servers = yield* both
      const sql = Context.get(servers[0], SqlClient.SqlClient)
      const enlist = (server: 0 | 1) =>
        Context.get(servers[server], Nodes).enlist(
          { ek_public: `e${server}`, ak_public: "a", ak_name: "n" },
          { machines: 1, days: 30 }
        )
      const late = yield* sql.withTransaction(Effect.gen(function*() {
        assert.isTrue(Option.isSome(yield* enlist(0)))
        const late = yield* Effect.forkChild(enlist(1))
        yield* untilWaiting(sql, late)
        return late
      }))
      assert.isTrue(Option.isNone(yield* Fiber.join(late)), "there is room for one")
    }))

  it.effect("begin one session of a challenge that both see for the first time", () =>
    Effect.gen(function*() {
      const servers = yield* both
      yield* Effect.provide(enlistMany(1), servers[0])
      const claims = { node: node1, epoch: 1, keys: "k", challenge: "c", made: 0, oldKey: false }
      const seen = yield* Effect.forEach(
        Array.from({ length: 20 }),
        (_, index) => Context.get(servers[index % 2 === 0 ? 0 : 1], Sessions).enter(claims),
        together
      )
      assert.isTrue(seen.every((entry) => entry === "begun" || entry === "continued"))
      const sql = Context.get(servers[0], SqlClient.SqlClient)
      assert.strictEqual((yield* sql`SELECT * FROM sessions`).length, 1)
    }))

  it.effect("of two reports with other keys at once record one and raise an alarm for the other", () =>
    Effect.gen(function*() {
      const servers = yield* both
      const [node] = yield* Effect.provide(enlistMany(1), servers[0])
      if (node === undefined) return assert.fail("no node")
      yield* Context.get(servers[0], Allocator).allocate(node, specs)
      const reportOf = (letter: string) => ({
        relays: [{ name: RelayName.make("toma"), fingerprint: fingerprint(letter), blocked: null }],
        tor_version: null,
        generation: null,
        rolled_back: null
      })
      yield* Effect.forEach(
        ["a", "b"],
        (letter, index) => Context.get(servers[index === 0 ? 0 : 1], Report).take(node1, reportOf(letter)),
        together
      )
      const [relay] = yield* Context.get(servers[0], Relays).ofNode(node1)
      const found = [relay?.fingerprint_ed25519, relay?.alarm_ed25519].map((text) => text?.slice(0, 1)).toSorted()
      assert.deepStrictEqual(found, ["a", "b"])
    }))

  it.live("run a transaction again that lost a deadlock, and keep nothing of its first attempt", () =>
    Effect.gen(function*() {
      const servers = yield* both
      yield* Effect.provide(enlistMany(2), servers[0])
      const [one, two] = servers.map((server) => Context.get(server, SqlClient.SqlClient))
      if (one === undefined || two === undefined) return assert.fail("no clients")
      const met = [yield* Deferred.make<void>(), yield* Deferred.make<void>()] as const
      let attempts = 0
      const crossing = (sql: SqlClient.SqlClient, mine: 0 | 1) =>
        sql.withTransaction(Effect.gen(function*() {
          attempts += 1
          yield* sql`UPDATE nodes SET epoch = epoch + 1 WHERE id = ${mine + 1}`
          yield* Deferred.succeed(met[mine], undefined)
          yield* Deferred.await(met[mine === 0 ? 1 : 0])
          yield* sql`UPDATE nodes SET epoch = epoch + 1 WHERE id = ${mine === 0 ? 2 : 1}`
        }))
      yield* Effect.all([crossing(one, 0), crossing(two, 1)], together)
      // Where the victim is quick to begin again, both may be one once more.
      assert.isAtLeast(attempts, 3, "one of them was the victim")
      const epochs = (yield* Context.get(servers[0], Nodes).list).map(({ epoch }) => epoch)
      assert.deepStrictEqual(epochs, [3, 3])
    }))

  it.effect("fail a transaction whose connection broke off, as every step that the database fails", () =>
    Effect.gen(function*() {
      const [one, two] = (yield* both).map((server) => Context.get(server, SqlClient.SqlClient))
      if (one === undefined || two === undefined) return assert.fail("no clients")
      const failed = yield* Effect.flip(one.withTransaction(Effect.gen(function*() {
        const [{ pid } = { pid: 0 }] = yield* one<{ pid: number }>`SELECT pg_backend_pid() AS pid`
        yield* two`SELECT pg_terminate_backend(${pid})`
        yield* one`SELECT 1`
      })))
      assert.isTrue(SqlError.isSqlError(failed))
      assert.strictEqual((yield* one`SELECT 1`).length, 1, "the next one has another connection")
    }))

  it.effect("allow a key that both allow at once, and write it down once", () =>
    Effect.gen(function*() {
      const servers = yield* both
      const allowed = yield* Effect.forEach(
        servers,
        (server) => Context.get(server, TrustPolicy).allow("test", ekHashOf("00")),
        together
      )
      assert.deepStrictEqual(allowed.toSorted(), [false, true])
      const entries = yield* Context.get(servers[0], Audit).newest(10)
      assert.strictEqual(entries.filter(({ what }) => what === "policy: endorsement key allowed").length, 1)
    }))
})
