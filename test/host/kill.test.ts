import { assert, layer } from "@effect/vitest"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import { Context, Effect, Layer } from "effect"
import { type Cheese, CHEESES, faultConfig } from "../src/faults/faultConfig.ts"
import { FaultNode } from "../src/faults/FaultNode.ts"
import { ForeignState } from "../src/faults/ForeignState.ts"
import type { KillPoint } from "../src/faults/KillPoint.ts"
import { Witness } from "../src/faults/Witness.ts"

/** One node for the tests of this file. The first one's relays have the identities that all others know. */
class Faults extends Context.Service<Faults, FaultNode & { readonly record: Map<Cheese, Fingerprints> }>()(
  "@patela/test/Faults"
) {
  static readonly layer = Layer.effect(
    Faults,
    Effect.map(FaultNode.make(), (node) => Faults.of({ ...node, record: new Map() }))
  )
}

/** An ordinary pass converges, and one more writes nothing. */
const settle = Effect.fnUntraced(function*(config: NodeConfig, about: string) {
  const [first, second] = yield* (yield* Faults).passes(config, 2)
  assert.deepStrictEqual([first?.verdict, first?.troubles], ["converged", []], about)
  assert.deepStrictEqual([second?.verdict, second?.changes, second?.calls.file], ["converged", [], []], about)
  // The notes are compared, and not written where they say so already.
  assert.deepStrictEqual(second?.calls.service.filter((call) => call !== "AgentNotes.note"), [], about)
})

/** Nothing foreign was touched, no relay ever was somebody else or left from elsewhere. */
const unharmed = Effect.fnUntraced(function*(foreign: ReadonlyArray<string>, about: string) {
  const { identitiesUsed, mission, record } = yield* Faults
  assert.deepStrictEqual(yield* ForeignState.look(mission.node), foreign, about)
  assert.strictEqual((yield* Witness.look(mission.node)).wrong, 0, about)
  const known = new Set(
    [...record].flatMap(([name, { ed25519, rsa }]) => [`${name} ${rsa}`, `${name} ${ed25519}`])
  )
  assert.deepStrictEqual([...(yield* identitiesUsed)].filter((identity) => !known.has(identity)), [], about)
})

/**
 * Kills a pass at its call number 0, 1, 2, ... until one is through, and after each kill has an ordinary pass put things
 * right. `prepare` brings the host to where the pass begins, and gives what is foreign on it.
 */
const killEverywhere = Effect.fnUntraced(function*<E, R>(
  config: NodeConfig,
  kill: Pick<KillPoint, "level" | "when">,
  prepare: Effect.Effect<ReadonlyArray<string>, E, R>
) {
  const { killed } = yield* Faults
  for (let at = 0; at < 200; at++) {
    const about = `${kill.level} ${at}, ${kill.when}`
    const t00 = Date.now()
    const foreign = yield* prepare
    const t0 = Date.now()
    const tp = t0
    const run = yield* killed(config, { ...kill, at, delay: 0 })
    const t1 = Date.now()
    yield* settle(config, about)
    const t2 = Date.now()
    yield* unharmed(foreign, about)
    console.log(about, tp-t00, t1 - t0, t2 - t1, Date.now() - t2, run?.calls)
    if (run !== undefined) return at
  }
  return assert.fail("the pass never ends")
})

const RELAYS: ReadonlyArray<Cheese> = ["toma", "robiola"]

/** From a state of the host that every trial comes from by an ordinary pass, without a reboot. */
const from = Effect.fnUntraced(function*(config: NodeConfig) {
  const { mission, passes } = yield* Faults
  const [answer] = yield* passes(config, 1)
  assert.deepStrictEqual(answer?.troubles, [])
  return yield* ForeignState.look(mission.node)
})

layer(Faults.layer, { excludeTestServices: true, timeout: 180_000 })("a pass killed at any of its writes", (it) => {
  it.effect("of a first run that finds its keys in the TPM", () =>
    Effect.gen(function*() {
      const { fingerprints, record, reset } = yield* Faults
      yield* reset
      yield* from(faultConfig({ relays: ["toma", "robiola", "bra"] }))
      for (const name of CHEESES) record.set(name, yield* fingerprints(name))
      const config = faultConfig({ relays: RELAYS, record })
      assert.isAbove(yield* killEverywhere(config, { level: "service", when: "before" }, reset), 10)
    }), 300_000)

  it.effect("of an update: another torrc, another relay, another name server", () =>
    Effect.gen(function*() {
      const { record, reset } = yield* Faults
      yield* reset
      const before = faultConfig({ relays: RELAYS, record, removed: ["bra"] })
      const after = faultConfig({
        relays: ["toma", "bra"],
        removed: ["robiola"],
        contact: "somebody else",
        dns: "203.0.113.1",
        record
      })
      yield* killEverywhere(after, { level: "service", when: "before" }, from(before))
    }), 300_000)

  it.effect("of a teardown of one relay", () =>
    Effect.gen(function*() {
      const { record } = yield* Faults
      const before = faultConfig({ relays: RELAYS, record, removed: ["bra"] })
      const after = faultConfig({ relays: ["toma"], removed: ["robiola"], record })
      yield* killEverywhere(after, { level: "service", when: "before" }, from(before))
    }), 300_000)

  it.effect("of a teardown of all", () =>
    Effect.gen(function*() {
      const { record } = yield* Faults
      const before = faultConfig({ relays: RELAYS, record, removed: ["bra"] })
      const after = faultConfig({ relays: [], removed: [...RELAYS], record })
      yield* killEverywhere(after, { level: "service", when: "before" }, from(before))
    }), 300_000)

  it.effect("some left", () =>
    Effect.gen(function*() {
      const { mission } = yield* Faults
      console.log(yield* Witness.look(mission.node), yield* mission.node.execOk(["sh", "-c", "find /run/patela /etc/tor/instances /var/lib/tor-instances /etc/patela /tmp"]))
    }))
})
