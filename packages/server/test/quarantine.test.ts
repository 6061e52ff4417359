import { assert, describe, it } from "@effect/vitest"
import { ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Allocator } from "../src/allocate/Allocator.ts"
import { PoolAdministration } from "../src/allocate/PoolAdministration.ts"
import { Audit } from "../src/audit/Audit.ts"
import { Generation } from "../src/generation/Generation.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { NodeRemoval } from "../src/nodes/NodeRemoval.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { Report } from "../src/nodes/Report.ts"
import { RelayAdministration } from "../src/relays/RelayAdministration.ts"
import { type MoveWord, RelayMove } from "../src/relays/RelayMove.ts"
import { RelayRename } from "../src/relays/RelayRename.ts"
import type { RelayRow } from "../src/relays/RelayRow.ts"
import { Relays } from "../src/relays/Relays.ts"
import { RemovedRelays } from "../src/relays/RemovedRelays.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { enabledMany, enlistMany, network, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { softwareTpm } from "./rig/SoftwareTpm.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const node2 = NodeId.make(2)
const toma = RelayName.make("toma")

const allocate = Effect.fnUntraced(function*(id: NodeId, relays: number) {
  yield* (yield* Administration).set("test", id, "relays", String(relays))
  return yield* (yield* Allocator).allocate(yield* (yield* Administration).node(id), specs)
})

const relaysOf = Effect.fnUntraced(function*(id: NodeId) {
  return (yield* (yield* Relays).ofNode(id)).map(({ ip_v4, name, slot }) => `${slot} ${name} ${ip_v4}`)
})

const remove = (name: RelayName) => Effect.flatMap(RelayAdministration, (relays) => relays.remove("test", name))

/** What the node says: it was brought to the newest configuration, and these relays have these keys. */
const report = Effect.fnUntraced(
  function*(id: NodeId, relays: ReadonlyArray<RelayName>, blocked: string | null = null) {
    yield* (yield* Report).take(id, {
      relays: relays.map((name) => ({
        name,
        fingerprint: Schema.decodeSync(ResolvedRelay.fields.fingerprint)({
          rsa: "A".repeat(40),
          ed25519: "a".repeat(43)
        }),
        blocked
      })),
      tor_version: null,
      generation: yield* (yield* Generation).current,
      rolled_back: null
    })
  }
)

describe("what a removed relay had", () => {
  it.effect("is given again after a week and not before", () =>
    Effect.gen(function*() {
      yield* enlistMany(2)
      yield* allocate(node1, 2)
      assert.deepStrictEqual(yield* relaysOf(node1), ["0 toma 192.0.2.10", "1 castelmagno 192.0.2.11"])
      yield* remove(toma)
      yield* TestClock.adjust("6 days")
      yield* allocate(node1, 2)
      yield* allocate(node2, 1)
      assert.deepStrictEqual(yield* relaysOf(node1), ["1 castelmagno 192.0.2.11", "2 robiola 192.0.2.12"])
      assert.deepStrictEqual(yield* relaysOf(node2), ["0 braduro 192.0.2.13"], "slots are each node's own")
      yield* TestClock.adjust("1 day")
      yield* allocate(node1, 3)
      yield* allocate(node2, 2)
      assert.deepStrictEqual(yield* relaysOf(node1), [
        "0 bratenero 192.0.2.10",
        "1 castelmagno 192.0.2.11",
        "2 robiola 192.0.2.12"
      ], "its old node may still have keys of the name, and gets another")
      assert.deepStrictEqual(yield* relaysOf(node2), ["0 braduro 192.0.2.13", "1 toma 192.0.2.14"])
      // Removed from another node too, it is told to both.
      yield* remove(toma)
      assert.deepStrictEqual((yield* (yield* RemovedRelays).ofNode(node1)).map(String), ["toma"])
      assert.deepStrictEqual((yield* (yield* RemovedRelays).ofNode(node2)).map(String), ["toma"])
    }).pipe(Effect.provide(testApi())))

  it.effect("is kept back for as long as the operator says, and that says who said it", () =>
    Effect.gen(function*() {
      yield* enlistMany(1)
      const pools = yield* PoolAdministration
      yield* allocate(node1, 1)
      yield* remove(toma)
      yield* pools.set("anna", "quarantine", "36h")
      yield* TestClock.adjust("35 hours")
      yield* allocate(node1, 1)
      yield* TestClock.adjust("1 hour")
      yield* allocate(node1, 2)
      assert.deepStrictEqual(yield* relaysOf(node1), ["0 robiola 192.0.2.10", "1 castelmagno 192.0.2.11"])
      assert.deepInclude((yield* (yield* Audit).newest(20)).find(({ what }) => what === "pool: quarantine set"), {
        who: "anna",
        value_before: "7d",
        value_after: "36h"
      })
      for (const wrong of ["", "7", "-1d", "1w", "99999d", "1.5d"]) {
        assert.include((yield* Effect.flip(pools.set("anna", "quarantine", wrong))).message, "such as 7d")
      }
      for (const wrong of ["", "513", "-1", "many"]) {
        assert.include((yield* Effect.flip(pools.set("anna", "relays-per-node", wrong))).message, "0 to 512")
      }
      yield* pools.set("anna", "quarantine", "default")
    }).pipe(Effect.provide(testApi())))

  it.effect("is also kept back where its whole node went", () =>
    Effect.gen(function*() {
      const [, two] = yield* enabledMany(2)
      const { ask } = yield* TestApi
      yield* allocate(node2, 2)
      if (two === undefined) return assert.fail("no node")
      assert.strictEqual((yield* ask({ path: "/private/config/node", token: two.token })).status, 200)
      const { node, relays } = yield* (yield* NodeRemoval).remove("anna", node2)
      assert.deepStrictEqual([node.id, relays.length], [node2, 2])
      assert.deepInclude(yield* ask({ path: "/private/config/node", token: two.token }), { status: 401 })
      assert.deepStrictEqual((yield* (yield* Nodes).list).map(({ id }) => id), [node1])
      yield* allocate(node1, 1)
      assert.deepStrictEqual(yield* relaysOf(node1), ["0 robiola 192.0.2.12"])
      yield* TestClock.adjust("7 days")
      yield* allocate(node1, 2)
      assert.deepStrictEqual(yield* relaysOf(node1), ["0 robiola 192.0.2.12", "1 toma 192.0.2.10"])
      const audited = (yield* (yield* Audit).newest(20)).filter(({ who }) => who === "anna").map(({ what }) => what)
      assert.deepStrictEqual(audited, [
        "node 2: removed",
        "relay castelmagno: removed with node 2",
        "relay toma: removed with node 2"
      ])
      assert.strictEqual((yield* Effect.flip((yield* NodeRemoval).remove("anna", node2)))._tag, "NodeUnknown")
    }).pipe(Effect.provide(testApi())))

  it.effect("a node that was removed is another one when it asks again", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const body = softwareTpm().request
      assert.include((yield* ask({ path: "/public/auth", body })).text, "node 1")
      yield* (yield* NodeRemoval).remove("test", node1)
      assert.include((yield* ask({ path: "/public/auth", body })).text, "node 2")
    }).pipe(Effect.provide(testApi())))
})

const placeOf = (
  { fingerprint_rsa, ip_v4, node_id, slot }: RelayRow
): ReadonlyArray<unknown> => [node_id, slot, ip_v4, fingerprint_rsa]

describe("a relay that moves", () => {
  const move = (to: NodeId, word: Partial<MoveWord> = {}) =>
    Effect.flatMap(
      RelayMove,
      (moves) => moves.move("anna", toma, to, { newIdentity: false, keepAddresses: false, ...word })
    )

  it.effect("leaves addresses and identity, keeps its name and torrc, and is taken off its old node", () =>
    Effect.gen(function*() {
      yield* enabledMany(2)
      yield* allocate(node1, 2)
      yield* allocate(node2, 1)
      yield* (yield* Administration).set("test", node2, "relays", "default")
      yield* report(node1, [toma])
      const refused = yield* Effect.flip(move(node2))
      assert.include(refused.message, "only the TPM of node 1 has the keys")
      assert.include(refused.message, "--new-identity")
      const { left, moved } = yield* move(node2, { newIdentity: true })
      assert.deepStrictEqual(placeOf(moved), [2, 1, "192.0.2.13", null])
      assert.deepStrictEqual([left.remaining, left.after.relays_override], [1, 1])
      assert.deepStrictEqual((yield* (yield* RemovedRelays).ofNode(node1)).map(String), ["toma"])
      assert.deepStrictEqual(yield* relaysOf(node1), ["1 castelmagno 192.0.2.11"])
      yield* allocate(node1, 2)
      assert.deepStrictEqual(yield* relaysOf(node1), ["1 castelmagno 192.0.2.11", "2 braduro 192.0.2.14"])
      const entry = (yield* (yield* Audit).newest(20)).find(({ what }) => what.includes("moved"))
      assert.deepInclude(entry, { who: "anna", what: "relay toma: moved from node 1 to node 2" })
      assert.include(entry?.value_before ?? "", "A".repeat(40))

      // Back again: only once its old node has heard that it was gone.
      yield* (yield* Administration).set("test", node1, "relays", "3")
      assert.include((yield* Effect.flip(move(node1))).message, "may not have heard of it")
      yield* report(node1, [])
      yield* move(node1)
      assert.deepStrictEqual(yield* (yield* RemovedRelays).ofNode(node1), [])
    }).pipe(Effect.provide(testApi())))

  it.effect("takes its addresses along where told, and its slot stays kept back", () =>
    Effect.gen(function*() {
      yield* enabledMany(2)
      yield* allocate(node1, 1)
      const { moved } = yield* move(node2, { keepAddresses: true })
      assert.deepStrictEqual(placeOf(moved), [2, 0, "192.0.2.10", null])
      yield* allocate(node1, 1)
      assert.deepStrictEqual(yield* relaysOf(node1), ["1 castelmagno 192.0.2.11"])
    }).pipe(Effect.provide(testApi())))

  it.effect("does not go where it cannot be, and nothing is changed", () =>
    Effect.gen(function*() {
      yield* enabledMany(2)
      yield* allocate(node1, 1)
      yield* allocate(node2, 0)
      const { rows } = yield* TestApi
      const before = yield* rows
      assert.include((yield* Effect.flip(move(node1))).message, "on node 1 already")
      assert.include((yield* Effect.flip(move(node2))).message, "is set to 0")
      assert.strictEqual((yield* Effect.flip(move(NodeId.make(9))))._tag, "NodeUnknown")
      assert.strictEqual(yield* rows, before)
    }).pipe(Effect.provide(testApi())))
})

describe("a relay that is renamed", () => {
  const rename = (before: string, after: string) =>
    Effect.flatMap(RelayRename, (renames) => renames.rename("anna", RelayName.make(before), after))

  it.effect("keeps all but its name, and its node is told what it was called", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      yield* enabledMany(1)
      yield* (yield* NetworkAdministration).set("test", network)
      yield* allocate(node1, 1)
      yield* report(node1, [toma])
      const told = Effect.gen(function*() {
        const { body } = yield* ask({ path: "/private/config/node", token: yield* tokenOf(node1) })
        return yield* Schema.decodeUnknownEffect(Schema.Array(ResolvedRelay))(body)
      })
      const [before] = yield* told
      if (before === undefined) return assert.fail("no relay")
      yield* rename("toma", "gouda")
      assert.deepStrictEqual((yield* told)[0], {
        ...before,
        name: RelayName.make("gouda"),
        formerly: [toma]
      })
      assert.deepStrictEqual(yield* (yield* RemovedRelays).ofNode(node1), [], "an older agent keeps its keys")
      yield* rename("gouda", "edam")
      assert.deepStrictEqual((yield* told)[0]?.formerly?.map(String), ["gouda", "toma"])
      yield* rename("edam", "toma")
      assert.deepStrictEqual((yield* told)[0]?.formerly?.map(String), ["edam", "gouda"])
      yield* remove(toma)
      assert.deepStrictEqual((yield* (yield* RemovedRelays).ofNode(node1)).map(String), ["toma", "gouda", "edam"])
      const renamed = (yield* (yield* Audit).newest(20)).filter(({ what }) => what.endsWith(": renamed"))
      assert.deepStrictEqual(renamed.map(({ value_after, value_before }) => `${value_before} ${value_after}`), [
        "edam toma",
        "gouda edam",
        "toma gouda"
      ])
    }).pipe(Effect.provide(testApi())))

  it.effect("gets no name that anybody has, had or is kept back, and none that is no name", () =>
    Effect.gen(function*() {
      yield* enlistMany(2)
      yield* allocate(node1, 3)
      yield* allocate(node2, 1)
      yield* remove(toma)
      yield* rename("castelmagno", "gouda")
      const refusals = [
        ["gouda", "braduro", "There is a relay braduro already"],
        ["robiola", "castelmagno", "was called castelmagno"],
        ["robiola", "toma", "is told that toma was taken off it"],
        ["braduro", "toma", "in quarantine"],
        ["braduro", "castelmagno", "in quarantine"],
        ["braduro", "Gouda", "is no relay name"],
        ["braduro", "default", "is no relay name"],
        ["braduro", "a'; DROP TABLE relays", "is no relay name"],
        ["braduro", "braduro", "its name already"]
      ] as const
      const { rows } = yield* TestApi
      const before = yield* rows
      for (const [from, to, why] of refusals) assert.include((yield* Effect.flip(rename(from, to))).message, why)
      assert.strictEqual((yield* Effect.flip(rename("nosuch", "x")))._tag, "RelayUnknown")
      yield* report(node2, [RelayName.make("braduro")], "the TPM is full")
      assert.include((yield* Effect.flip(rename("braduro", "edam"))).message, "the TPM is full")
      assert.notStrictEqual(yield* rows, before, "the report")
    }).pipe(Effect.provide(testApi())))
})
