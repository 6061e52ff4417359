import { assert, describe, it } from "@effect/vitest"
import { ResolvedNode } from "@patela/domain/node/NodeConfig"
import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Schema } from "effect"
import { Allocator } from "../src/allocate/Allocator.ts"
import { Audit } from "../src/audit/Audit.ts"
import { Generation } from "../src/generation/Generation.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { RelayAdministration } from "../src/relays/RelayAdministration.ts"
import { Relays } from "../src/relays/Relays.ts"
import { REMEMBERED, RemovedRelays } from "../src/relays/RemovedRelays.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { enabledMany, enlistMany, network, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { runs } from "./rig/runs.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("allocate"), node: between(1, 3), relays: between(1, 5) }),
  Schema.Struct({ do: Schema.Literal("remove"), node: between(1, 3), which: between(0, 4) }),
  Schema.Struct({ do: Schema.Literal("ask again"), node: between(1, 3) })
])

const Life = Schema.Array(Step).pipe(Schema.check(Schema.isMinLength(5), Schema.isMaxLength(25)))

const namesOf = Effect.fnUntraced(function*(node: NodeId) {
  return (yield* (yield* Relays).ofNode(node)).map(({ name }) => name)
})

const allocate = Effect.fnUntraced(function*(node: NodeId) {
  const row = yield* (yield* Administration).node(node)
  return yield* (yield* Allocator).allocate(row, specs)
})

describe("a relay that was removed", () => {
  it.effect.prop(
    "is told to its node, never comes back to it, and its name goes to nobody",
    [Life],
    ([life]) =>
      Effect.gen(function*() {
        yield* enlistMany(3)
        const gone = new Map<string, NodeId>()
        for (const step of life) {
          const node = NodeId.make(step.node)
          const mine = yield* namesOf(node)
          if (step.do === "allocate") {
            yield* (yield* Administration).set("test", node, "relays", String(step.relays))
            assert.strictEqual(yield* allocate(node), Math.max(step.relays, mine.length))
          } else if (step.do === "ask again") {
            const { relays_override } = yield* (yield* Administration).node(node)
            assert.strictEqual(yield* allocate(node), Math.max(mine.length, relays_override ?? specs.n_cpus))
          } else {
            const name = mine[step.which]
            if (name === undefined) continue
            const { remaining } = yield* (yield* RelayAdministration).remove("test", name)
            assert.strictEqual(remaining, mine.length - 1)
            assert.strictEqual(yield* allocate(node), remaining, "no replacement")
            gone.set(name, node)
          }
          const all = yield* (yield* Relays).list
          for (const { name } of all) assert.isFalse(gone.has(name), `${name} was given again`)
          for (const id of [1, 2, 3].map((one) => NodeId.make(one))) {
            const listed = yield* (yield* RemovedRelays).ofNode(id)
            const expected = [...gone].filter(([, of]) => of === id).map(([name]) => name)
            assert.deepStrictEqual(listed.toReversed().map(String), expected)
          }
        }
      }).pipe(Effect.provide(testApi())),
    runs(25)
  )

  it.effect("is in the configuration of its own node alone, and the audit log has before and after", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const [one, two] = yield* enabledMany(2)
      if (one === undefined || two === undefined) return assert.fail("no nodes")
      yield* (yield* NetworkAdministration).set("test", network)
      for (const { token } of [one, two]) yield* ask({ path: "/private/specs", body: specs, token })
      yield* (yield* RelayAdministration).remove("anna", RelayName.make("toma"))
      const nodeOf = (token: string) =>
        Effect.flatMap(
          ask({ path: "/private/config/resolved/node", token }),
          ({ body }) => Schema.decodeUnknownEffect(ResolvedNode)(body)
        )
      assert.deepStrictEqual((yield* nodeOf(one.token)).removed.map(String), ["toma"])
      assert.deepStrictEqual((yield* nodeOf(two.token)).removed, [])
      assert.notInclude((yield* ask({ path: "/private/config/node", token: one.token })).text, "\"toma\"")
      const [setting, removal] = yield* (yield* Audit).newest(2)
      assert.deepInclude(setting, {
        who: "anna",
        what: "node 1: relays set",
        value_before: "default",
        value_after: "2"
      })
      assert.deepInclude(removal, { who: "anna", what: "relay toma: removed from node 1", value_after: null })
      assert.include(removal?.value_before, "192.0.2.10")
      assert.strictEqual(
        (yield* Effect.flip((yield* RelayAdministration).remove("x", RelayName.make("toma"))))._tag,
        "RelayUnknown"
      )
    }).pipe(Effect.provide(testApi())))

  it.effect("is not replaced by a request that began before it was removed", () =>
    Effect.gen(function*() {
      yield* enlistMany(1)
      assert.strictEqual(yield* allocate(node1), 3)
      const early = yield* (yield* Administration).node(node1)
      yield* (yield* RelayAdministration).remove("test", RelayName.make("toma"))
      assert.strictEqual(yield* (yield* Allocator).allocate(early, specs), 2)
    }).pipe(Effect.provide(testApi())))

  it.effect("leaves a number alone that is lower still", () =>
    Effect.gen(function*() {
      yield* enlistMany(1)
      yield* allocate(node1)
      yield* (yield* Administration).set("test", node1, "relays", "1")
      const { after, remaining } = yield* (yield* RelayAdministration).remove("test", RelayName.make("toma"))
      assert.deepStrictEqual([after.relays_override, remaining], [1, 2])
    }).pipe(Effect.provide(testApi())))

  it.effect(`is remembered until ${REMEMBERED} others of its node were removed`, () =>
    Effect.gen(function*() {
      yield* enlistMany(2)
      const removed = yield* RemovedRelays
      const names = Array.from({ length: REMEMBERED + 8 }, (_, index) => RelayName.make(`r${index}`))
      yield* (yield* Generation).change(Effect.andThen(
        removed.add(NodeId.make(2), RelayName.make("brie")),
        Effect.forEach(names, (name) => removed.add(node1, name))
      ))
      assert.deepStrictEqual(yield* removed.ofNode(node1), names.slice(8).toReversed())
      assert.deepStrictEqual((yield* removed.ofNode(NodeId.make(2))).map(String), ["brie"])
    }).pipe(Effect.provide(testApi())))
})

/** How the node stands, as `patela` shows it, is what its reports say. */
describe("what a node reports of its configuration", () => {
  it.effect("is stored, the generation and why it rolled back", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      yield* enabledMany(1)
      const token = yield* tokenOf(node1)
      const say = (generation: number | null, rolled_back: string | null) =>
        ask({ path: "/private/report", body: { relays: [], tor_version: null, generation, rolled_back }, token })
      const stored = Effect.map(
        Effect.flatMap(Administration, (administration) => administration.node(node1)),
        ({ generation, rolled_back }) => [generation, rolled_back]
      )
      assert.deepStrictEqual(yield* stored, [null, null])
      assert.strictEqual((yield* say(7, "no way back to the server")).status, 204)
      assert.deepStrictEqual(yield* stored, [7, "no way back to the server"])
      assert.strictEqual((yield* say(8, null)).status, 204)
      assert.deepStrictEqual(yield* stored, [8, null])
      assert.strictEqual((yield* say(8, "x".repeat(2001))).status, 400)
      assert.strictEqual((yield* say(0.5, null)).status, 400)
      assert.deepStrictEqual(yield* stored, [8, null])
    }).pipe(Effect.provide(testApi())))
})
