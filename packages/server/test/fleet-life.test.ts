import { assert, describe, it } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Clock, Duration, Effect, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { AllocationSettings } from "../src/allocate/AllocationSettings.ts"
import { Allocator } from "../src/allocate/Allocator.ts"
import { PoolAdministration } from "../src/allocate/PoolAdministration.ts"
import { poolFromText } from "../src/allocate/poolText.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { NodeRemoval } from "../src/nodes/NodeRemoval.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { RelayAdministration } from "../src/relays/RelayAdministration.ts"
import { RelayMove } from "../src/relays/RelayMove.ts"
import { RelayRename } from "../src/relays/RelayRename.ts"
import type { RelayRow } from "../src/relays/RelayRow.ts"
import { Relays } from "../src/relays/Relays.ts"
import { RemovedRelays } from "../src/relays/RemovedRelays.ts"
import { enabledMany, specs } from "./rig/Fleet.ts"
import { testApi } from "./rig/TestApi.ts"

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

const node = between(1, 4)
const which = between(0, 3)
const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("boot"), node, relays: between(0, 5) }),
  Schema.Struct({ do: Schema.Literal("boot"), node, relays: between(1, 5) }),
  Schema.Struct({ do: Schema.Literal("remove"), node, which }),
  Schema.Struct({ do: Schema.Literal("move"), node, which, to: node, keep: Schema.Boolean }),
  Schema.Struct({
    do: Schema.Literal("rename"),
    node,
    which,
    name: Schema.Literals(["toma", "robiola", "gouda", "x1"])
  }),
  Schema.Struct({ do: Schema.Literal("remove node"), node }),
  Schema.Struct({ do: Schema.Literal("share"), relays: between(1, 8) }),
  Schema.Struct({ do: Schema.Literal("pool"), number: between(0, 3), add: Schema.Boolean }),
  Schema.Struct({ do: Schema.Literal("wait"), hours: Schema.Literals([1, 24, 100, 168]) })
])
type Step = typeof Step.Type

const Life = Schema.Array(Step).pipe(Schema.check(Schema.isMinLength(5), Schema.isMaxLength(40)))

const QUARANTINE = Duration.toMillis("7 days")

const allocate = Effect.fnUntraced(function*(id: NodeId) {
  return yield* (yield* Allocator).allocate(yield* (yield* Administration).node(id), specs)
})

/** Does one step; what is refused is refused, and changes nothing, which the invariants then say. */
const perform = Effect.fnUntraced(function*(step: Step) {
  if (step.do === "wait") return yield* TestClock.adjust(Duration.hours(step.hours))
  if (step.do === "share") {
    yield* (yield* PoolAdministration).set("test", "relays-per-address", String(step.relays))
    return
  }
  if (step.do === "pool") {
    const pools = yield* PoolAdministration
    const pool = Result.getOrThrow(poolFromText(`198.51.100.${step.number * 8}/29`, []))
    yield* Effect.result(step.add ? pools.add("test", pool) : pools.remove("test", step.number + 2, false))
    return
  }
  const id = NodeId.make(step.node)
  const known = (yield* (yield* Nodes).list).some((one) => one.id === id)
  if (!known) return
  const mine = yield* (yield* Relays).ofNode(id)
  switch (step.do) {
    case "boot": {
      yield* (yield* Administration).set("test", id, "relays", String(step.relays))
      const given = yield* Effect.result(allocate(id))
      if (Result.isFailure(given)) {
        assert.strictEqual(given.failure._tag, "PoolExhausted")
        return
      }
      assert.strictEqual(given.success, Math.max(step.relays, mine.length), "none is lost, none is missing")
      const after = yield* (yield* Relays).ofNode(id)
      assert.strictEqual(yield* allocate(id), given.success)
      assert.deepStrictEqual(yield* (yield* Relays).ofNode(id), after, "asking again gives the same")
      return
    }
    case "remove node":
      return yield* Effect.asVoid((yield* NodeRemoval).remove("test", id))
  }
  const relay = mine[step.which]
  if (relay === undefined) return
  if (step.do === "remove") return yield* Effect.asVoid((yield* RelayAdministration).remove("test", relay.name))
  if (step.do === "rename") {
    return yield* Effect.asVoid(Effect.result((yield* RelayRename).rename("test", relay.name, step.name)))
  }
  const word = { newIdentity: true, keepAddresses: step.keep }
  yield* Effect.result((yield* RelayMove).move("test", relay.name, NodeId.make(step.to), word))
})

interface Holder {
  /** Whose it is, or was last. */
  readonly relay: number
  /** On which node: a move is another holder too. */
  readonly node: number
  /** Since when nobody has it. */
  left: number | undefined
}

const things = (relay: RelayRow) => ({
  name: relay.name,
  place: `${relay.ip_v4} port ${relay.or_port}`,
  ...relay.ip_v6 === null ? {} : { v6: relay.ip_v6 },
  slot: `${relay.node_id}/${relay.slot}`
})

/** Watches who has what, and that nobody gets it too early. */
const watcher = () => {
  const holders = new Map<string, Holder>()
  /** Addresses and names that went along with a relay: that it does not wait for them is what was asked. */
  const look = (relays: ReadonlyArray<RelayRow>, now: number, along: boolean) => {
    const present = new Set<string>()
    for (const relay of relays) {
      for (const [kind, thing] of Object.entries(things(relay))) {
        const key = `${kind} ${thing}`
        assert.isFalse(present.has(key), `${key} is given twice`)
        present.add(key)
        const before = holders.get(key)
        const same = before?.relay === relay.id && (kind === "name" || along || before.node === relay.node_id)
        if (before !== undefined && !same) {
          assert.isDefined(before.left, `${key} went from one to another at once`)
          assert.isAtLeast(now - (before.left ?? now), QUARANTINE, `${key} is given again too early`)
        }
        holders.set(key, { relay: relay.id, node: relay.node_id, left: undefined })
      }
    }
    for (const [key, holder] of holders) if (!present.has(key)) holder.left ??= now
  }
  return look
}

/** Watches that an address is of one node, and that no more relays come to it than may. */
const addressWatcher = () => {
  const nodes = new Map<string, { readonly node: number; left: number | undefined }>()
  let before: ReadonlyArray<RelayRow> = []
  return (relays: ReadonlyArray<RelayRow>, now: number, along: boolean, most: number) => {
    const byAddress = Map.groupBy(relays, ({ ip_v4 }) => ip_v4)
    for (const [address, here] of byAddress) {
      const [node, ...others] = new Set(here.map(({ node_id }) => node_id))
      assert.isDefined(node)
      assert.deepStrictEqual(others, [], `${address} is on one node`)
      const had = nodes.get(address)
      if (had !== undefined && !along && (had.left !== undefined || had.node !== node)) {
        assert.isDefined(had.left, `${address} went from one node to another at once`)
        assert.isAtLeast(now - (had.left ?? now), QUARANTINE, `${address} is given again too early`)
      }
      nodes.set(address, { node, left: undefined })
      const known = new Set(before.filter(({ ip_v4 }) => ip_v4 === address).map(({ id }) => id))
      if (here.some(({ id }) => !known.has(id))) assert.isAtMost(here.length, most, `${address} is full`)
    }
    for (const [address, had] of nodes) if (!byAddress.has(Ipv4.make(address))) had.left ??= now
    for (const { id, ip_v4, node_id, or_port } of relays) {
      const same = before.find((relay) => relay.id === id && relay.node_id === node_id)
      if (same !== undefined) assert.deepStrictEqual([ip_v4, or_port], [same.ip_v4, same.or_port])
    }
    before = relays
  }
}

describe("the life of a fleet", () => {
  it.effect.prop(
    "no name, port of an address or slot is given twice, or again before the quarantine is over",
    [Life],
    ([life]) =>
      Effect.gen(function*() {
        yield* enabledMany(4)
        const look = watcher()
        const lookAtAddresses = addressWatcher()
        for (const step of life) {
          yield* perform(step)
          const relays = yield* (yield* Relays).list
          const now = yield* Clock.currentTimeMillis
          const along = step.do === "move" && step.keep
          look(relays, now, along)
          lookAtAddresses(relays, now, along, (yield* (yield* AllocationSettings).rules).relays_per_address)
          for (const { id } of yield* (yield* Nodes).list) {
            const removed = new Set(yield* (yield* RemovedRelays).ofNode(id))
            const here = relays.filter((relay) => relay.node_id === id)
            // A node that is told of both would drop the keys of one that it runs.
            for (const { name, formerly } of here) {
              for (const each of [name, ...formerly.split(" ")]) {
                assert.isFalse(Schema.is(RelayName)(each) && removed.has(each), `${each} is removed from node ${id}`)
              }
            }
            const said = here.flatMap(({ name, formerly }) => [
              name,
              ...formerly.split(" ").filter((text) => text !== "")
            ])
            assert.strictEqual(new Set(said).size, said.length, "names of now and before are of one relay each")
          }
        }
      }).pipe(Effect.provide(testApi({
        PATELA_FIRST_V4: "192.0.2.1",
        PATELA_PREFIX_V4: "27",
        PATELA_FIRST_V6: "2001:db8::1",
        PATELA_PREFIX_V6: "121"
      }))),
    { arbitrary: { runs: 20 } }
  )
})
