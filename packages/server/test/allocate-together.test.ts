import { assert, describe, it } from "@effect/vitest"
import { Ed25519Fingerprint, Fingerprints, RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Exit, Layer, Result, Schema } from "effect"
import { Allocator } from "../src/allocate/Allocator.ts"
import { Audit } from "../src/audit/Audit.ts"
import { verifyAudit } from "../src/audit/verifyAudit.ts"
import { NodeRemoval } from "../src/nodes/NodeRemoval.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { Report } from "../src/nodes/Report.ts"
import { RelayAdministration } from "../src/relays/RelayAdministration.ts"
import { Relays } from "../src/relays/Relays.ts"
import { enlistMany, node1, specs } from "./rig/Fleet.ts"
import { refuseInserts } from "./rig/refuseInserts.ts"
import { runs } from "./rig/runs.ts"
import { testApi } from "./rig/TestApi.ts"

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

const NODES = 8

/** Nodes that ask at once, each once, and a relay that is taken off its node before the next do. */
const Waves = Schema.Array(Schema.Struct({
  asking: Schema.Array(Schema.Struct({ node: between(0, NODES - 1), wanted: between(0, 6) })).pipe(
    Schema.check(Schema.isMaxLength(12))
  ),
  leaves: between(0, 30)
})).pipe(Schema.check(Schema.isMaxLength(4)))

/** Room for 14 relays. */
const small = { PATELA_FIRST_V4: "192.0.2.1", PATELA_PREFIX_V4: "28" }

const live = (waves: typeof Waves.Type, concurrency: number | "unbounded") =>
  Effect.gen(function*() {
    const machines = yield* enlistMany(NODES)
    const { allocate } = yield* Allocator
    const relays = yield* Relays
    const answers: Array<ReadonlyArray<string>> = []
    for (const { asking: all, leaves } of waves) {
      const asking = [...new Map(all.map((one) => [one.node, one])).values()]
      answers.push(
        yield* Effect.forEach(asking, ({ node, wanted }) => {
          const machine = machines[node]
          if (machine === undefined) return Effect.die("no such node")
          return Effect.map(
            Effect.result(allocate(machine, { ...specs, n_cpus: Math.max(1, wanted), memory: wanted * 1024 ** 3 + 1 })),
            Result.match({ onSuccess: (count) => `${count} relays`, onFailure: ({ message }) => message })
          )
        }, { concurrency })
      )
      const leaving = (yield* relays.list)[leaves]
      if (leaving !== undefined) yield* (yield* RelayAdministration).remove("test", leaving.name)
    }
    return {
      answers,
      relays: (yield* relays.list).map(({ ip_v4, name, node_id, slot }) => ({ ip_v4, name, node_id, slot })),
      nodes: (yield* (yield* Nodes).list).map(({ allocation_refused, id, memory, n_cpus, relays_by_hardware }) => ({
        id,
        n_cpus,
        memory,
        relays_by_hardware,
        allocation_refused
      })),
      entries: (yield* (yield* Audit).newest(1000)).map(({ value_after, what, who }) => ({ who, what, value_after })),
      faults: (yield* verifyAudit()).faults
    }
  }).pipe(Effect.provide(Layer.fresh(testApi(small))))

const fingerprintsOf = (name: RelayName): Fingerprints => {
  const digits = Buffer.from(name).toString("hex").padEnd(40, "0").slice(0, 40)
  return Fingerprints.make({
    rsa: RsaFingerprint.make(digits.toUpperCase()),
    ed25519: Ed25519Fingerprint.make(`${digits}aaa`)
  })
}

describe("nodes that ask for their relays at once", () => {
  it.effect.prop("law: get what they would get one after another", [Waves], ([waves]) =>
    Effect.gen(function*() {
      const apart = yield* live(waves, 1)
      assert.deepStrictEqual(apart.faults, [])
      assert.deepStrictEqual(yield* live(waves, "unbounded"), apart)
    }), runs(15))

  it.effect("are not refused for the sake of one that the database refuses, or that is gone", () =>
    Effect.gen(function*() {
      const machines = yield* enlistMany(6)
      const [, refused, , removed] = machines
      if (refused === undefined || removed === undefined) return assert.fail("no nodes")
      const { allocate } = yield* Allocator
      const undo = yield* refuseInserts("relays", `NEW.node_id = ${refused.id}`)
      yield* (yield* NodeRemoval).remove("test", removed.id)
      const exits = yield* Effect.forEach(machines, (node) => Effect.exit(allocate(node, specs)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, true, false, true, true])
      const relays = yield* (yield* Relays).list
      const counts = new Map(
        [...Map.groupBy(relays, ({ node_id }) => node_id)].map(([id, mine]) => [id as number, mine.length])
      )
      assert.deepStrictEqual(counts, new Map([1, 3, 5, 6].map((id) => [id, 3])))
      const hardware = (yield* (yield* Nodes).list).map(({ n_cpus }) => n_cpus)
      assert.deepStrictEqual(hardware, [3, null, 3, 3, 3])
      yield* undo
      assert.strictEqual(yield* allocate(refused, specs), 3, "it can be given them later")
      assert.deepStrictEqual((yield* verifyAudit()).faults, [])
    }).pipe(Effect.provide(testApi())))
})

describe("nodes that report at once", () => {
  it.effect("are each taken for what they say, and none refused for another's sake", () =>
    Effect.gen(function*() {
      const machines = yield* enlistMany(6)
      const { allocate } = yield* Allocator
      yield* Effect.forEach(machines, (node) => allocate(node, specs))
      const relays = yield* Relays
      const own = Map.groupBy(yield* relays.list, ({ node_id }) => node_id)
      const undo = yield* refuseInserts("audit", "NEW.who = 'node 2'")
      const { take } = yield* Report
      const [stranger] = own.get(node1) ?? []
      const exits = yield* Effect.forEach(machines, ({ id }) => {
        const mine = (own.get(id) ?? []).map(({ name, slot }) => ({
          name,
          fingerprint: fingerprintsOf(name),
          blocked: slot === 1 ? `node ${id} says so` : null
        }))
        // The last speaks for a relay that is not its own, and twice of one that is.
        const others = id !== machines.at(-1)?.id || stranger === undefined
          ? []
          : [{ name: stranger.name, fingerprint: null, blocked: "no" }, ...mine.slice(0, 1)]
        return Effect.exit(
          take(id, { relays: [...mine, ...others], generation: id, tor_version: "0.4.9.11", rolled_back: null })
        )
      }, { concurrency: "unbounded" })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, true, true, true, true])
      for (const { blocked, fingerprint_ed25519, fingerprint_rsa, name, node_id, slot } of yield* relays.list) {
        const { ed25519, rsa } = fingerprintsOf(name)
        const expected = node_id === machines[1]?.id
          ? [null, null, null]
          : [rsa, ed25519, slot === 1 ? `node ${node_id} says so` : null]
        assert.deepStrictEqual<ReadonlyArray<unknown>>([fingerprint_rsa, fingerprint_ed25519, blocked], expected)
      }
      const generations = (yield* (yield* Nodes).list).map(({ generation }) => generation)
      assert.deepStrictEqual(generations, [1, null, 3, 4, 5, 6])
      const recorded = (yield* (yield* Audit).newest(1000)).filter(({ what }) => what.endsWith("fingerprints recorded"))
      assert.strictEqual(recorded.length, 15, "each once")
      yield* undo
      assert.deepStrictEqual((yield* verifyAudit()).faults, [])
    }).pipe(Effect.provide(testApi())))
})
