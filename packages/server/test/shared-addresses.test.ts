import { assert, describe, it } from "@effect/vitest"
import { ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Allocator } from "../src/allocate/Allocator.ts"
import { PoolAdministration } from "../src/allocate/PoolAdministration.ts"
import { poolView } from "../src/allocate/poolUsage.ts"
import { Audit } from "../src/audit/Audit.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { RelayAdministration } from "../src/relays/RelayAdministration.ts"
import { RelayMove } from "../src/relays/RelayMove.ts"
import { Relays } from "../src/relays/Relays.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { enabledMany, enlistMany, network, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const node2 = NodeId.make(2)
const [toma, castelmagno] = [RelayName.make("toma"), RelayName.make("castelmagno")]

const share = (relays: number) =>
  Effect.flatMap(PoolAdministration, (pools) => pools.set("anna", "relays-per-address", String(relays)))

const allocate = Effect.fnUntraced(function*(id: NodeId, relays: number) {
  yield* (yield* Administration).set("test", id, "relays", String(relays))
  return yield* (yield* Allocator).allocate(yield* (yield* Administration).node(id), specs)
})

const placesOf = Effect.fnUntraced(function*(id: NodeId) {
  return (yield* (yield* Relays).ofNode(id)).map(({ ip_v4, name, or_port }) => `${name} ${ip_v4}:${or_port}`)
})

const remove = (name: RelayName) => Effect.flatMap(RelayAdministration, (relays) => relays.remove("test", name))

/** Three addresses. */
const small = { PATELA_FIRST_V4: "192.0.2.12", PATELA_PREFIX_V4: "28" }

describe("relays of one node", () => {
  it.effect("have an address together, as many as may be, and never with another node", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      yield* enabledMany(2)
      yield* (yield* NetworkAdministration).set("test", network)
      yield* share(2)
      yield* allocate(node1, 3)
      yield* allocate(node2, 1)
      assert.deepStrictEqual(yield* placesOf(node1), [
        "toma 192.0.2.12:443",
        "castelmagno 192.0.2.12:9001",
        "robiola 192.0.2.13:443"
      ])
      assert.deepStrictEqual(yield* placesOf(node2), ["braduro 192.0.2.14:443"])
      yield* allocate(node1, 4)
      assert.strictEqual((yield* placesOf(node1))[3], "bratenero 192.0.2.13:9001", "what has room is filled first")
      const { body } = yield* ask({ path: "/private/config/node", token: yield* tokenOf(node1) })
      const told = yield* Schema.decodeUnknownEffect(Schema.Array(ResolvedRelay))(body)
      assert.deepStrictEqual(told.map(({ or_port }) => or_port), [443, 9001, 443, 9001])
      const [usage] = (yield* (yield* PoolAdministration).usage).map(poolView)
      assert.deepInclude(usage, { size: 3, used: 3, relays: 5, quarantined: 0, free: 0 })
    }).pipe(Effect.provide(testApi(small))))

  it.effect("stay where they are when fewer may share", () =>
    Effect.gen(function*() {
      yield* enlistMany(1)
      yield* share(3)
      yield* allocate(node1, 3)
      const before = yield* placesOf(node1)
      yield* share(1)
      yield* allocate(node1, 4)
      assert.deepStrictEqual(yield* placesOf(node1), [...before, "braduro 192.0.2.13:443"])
    }).pipe(Effect.provide(testApi(small))))

  it.effect("are given all that they miss or nothing, and it is said how much room there is", () =>
    Effect.gen(function*() {
      yield* enlistMany(2)
      yield* allocate(node2, 1)
      yield* share(2)
      yield* allocate(node1, 1)
      const { message } = yield* Effect.flip(allocate(node1, 5))
      assert.include(message, "have room for 3 more relays of this node, with 2 to an address, and 4 are missing")
      assert.include(message, "patela pool set relays-per-address 3")
      assert.strictEqual((yield* placesOf(node1)).length, 1)
      yield* allocate(node1, 4)
      yield* share(8)
      assert.notInclude((yield* Effect.flip(allocate(node1, 100))).message, "pool set")
    }).pipe(Effect.provide(testApi(small))))

  it.effect("leave a port in quarantine where others stay on the address, and the address once all are gone", () =>
    Effect.gen(function*() {
      yield* enlistMany(2)
      yield* share(2)
      yield* allocate(node1, 2)
      yield* remove(toma)
      const usage = Effect.map(
        Effect.flatMap(PoolAdministration, (pools) => pools.usage),
        (all) => all.map(poolView)[0]
      )
      assert.deepInclude(yield* usage, { used: 1, relays: 1, quarantined: 0, free: 2 })
      yield* allocate(node1, 2)
      assert.deepStrictEqual(yield* placesOf(node1), ["castelmagno 192.0.2.12:9001", "robiola 192.0.2.13:443"])
      yield* remove(castelmagno)
      assert.deepInclude(yield* usage, { used: 1, relays: 1, quarantined: 1, free: 1 })
      yield* allocate(node2, 1)
      assert.deepStrictEqual(yield* placesOf(node2), ["braduro 192.0.2.14:443"])
      yield* TestClock.adjust("7 days")
      yield* allocate(node1, 4)
      assert.deepStrictEqual((yield* placesOf(node1)).toSorted(), [
        "bratenero 192.0.2.13:9001",
        "murazzano 192.0.2.12:9001",
        "raschera 192.0.2.12:443",
        "robiola 192.0.2.13:443"
      ])
    }).pipe(Effect.provide(testApi(small))))

  it.effect("get a place on the other node when they move, and leave a shared address there", () =>
    Effect.gen(function*() {
      const { rows } = yield* TestApi
      yield* enlistMany(2)
      yield* (yield* Administration).setEnabled("test", node2, true)
      yield* share(2)
      yield* allocate(node1, 2)
      yield* allocate(node2, 1)
      yield* (yield* Administration).set("test", node2, "relays", "default")
      const move = (keepAddresses: boolean) =>
        Effect.flatMap(
          RelayMove,
          (moves) => moves.move("anna", castelmagno, node2, { newIdentity: true, keepAddresses })
        )
      const before = yield* rows
      assert.include(
        (yield* Effect.flip(move(true))).message,
        "192.0.2.12 is also the address of toma, and stays on node 1"
      )
      assert.strictEqual(yield* rows, before)
      yield* move(false)
      assert.deepStrictEqual(yield* placesOf(node2), ["robiola 192.0.2.13:443", "castelmagno 192.0.2.13:9001"])
      assert.deepStrictEqual(yield* placesOf(node1), ["toma 192.0.2.12:443"])
    }).pipe(Effect.provide(testApi(small))))

  it.effect("an address that went along is filled once its old node does not have it any more", () =>
    Effect.gen(function*() {
      yield* enlistMany(2)
      yield* (yield* Administration).setEnabled("test", node2, true)
      yield* share(2)
      yield* allocate(node1, 2)
      yield* remove(toma)
      yield* (yield* RelayMove).move("anna", castelmagno, node2, { newIdentity: true, keepAddresses: true })
      yield* allocate(node2, 2)
      assert.deepStrictEqual(yield* placesOf(node2), ["castelmagno 192.0.2.12:9001", "robiola 192.0.2.13:443"])
      yield* TestClock.adjust("7 days")
      yield* allocate(node2, 4)
      assert.deepStrictEqual((yield* placesOf(node2)).slice(2), ["toma 192.0.2.12:443", "braduro 192.0.2.13:9001"])
    }).pipe(Effect.provide(testApi(small))))
})

describe("how many relays share an address", () => {
  it.effect("is a number from one to eight, and who set it is known", () =>
    Effect.gen(function*() {
      const pools = yield* PoolAdministration
      yield* share(8)
      for (const wrong of ["", "0", "9", "-1", "many", "1.5"]) {
        assert.include((yield* Effect.flip(pools.set("anna", "relays-per-address", wrong))).message, "1 to 8")
      }
      assert.strictEqual((yield* pools.set("anna", "relays-per-address", "default")).relays_per_address, 1)
      assert.deepInclude((yield* (yield* Audit).newest(5))[0], {
        who: "anna",
        what: "pool: relays-per-address set",
        value_before: "8",
        value_after: "1"
      })
    }).pipe(Effect.provide(testApi())))
})
