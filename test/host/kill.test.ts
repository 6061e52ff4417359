import { assert, layer } from "@effect/vitest"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Context, Effect, Layer } from "effect"
import { type Cheese, CHEESES } from "../src/faults/faultConfig.ts"
import { FaultHost } from "../src/faults/FaultHost.ts"
import type { KillPoint } from "../src/faults/KillPoint.ts"
import { Witness } from "../src/faults/Witness.ts"

/** One node for the tests of this file. */
class Host extends Context.Service<Host, FaultHost>()("@patela/test/KillHost") {
  static readonly layer = Layer.effect(Host, FaultHost.make())
}

const RELAYS: ReadonlyArray<Cheese> = ["toma", "robiola"]

/**
 * Kills a pass at its call number 0, 1, 2, ... until one is through, and after each kill has an ordinary pass put things
 * right. `prepare` brings the host to where the pass begins, and gives what is foreign on it. Gives the number of kills.
 */
const killEverywhere = Effect.fnUntraced(function*<E, R>(
  config: NodeConfig,
  kill: Pick<KillPoint, "level" | "when">,
  prepare: Effect.Effect<ReadonlyArray<string>, E, R>
) {
  const { node, settle, unharmed } = yield* Host
  for (let at = 0; at < 200; at++) {
    const t = [Date.now()]
    const about = `${kill.level} ${at}, ${kill.when}`
    const foreign = yield* prepare
    t.push(Date.now())
    const answer = yield* node.killed(config, { ...kill, at, delay: 0 })
    t.push(Date.now())
    yield* settle(config, about)
    t.push(Date.now())
    yield* unharmed(foreign, about)
    t.push(Date.now())
    console.log(about, t.slice(1).map((x, i) => x - (t[i] ?? 0)), answer?.calls)
    if (answer !== undefined) return at
  }
  return assert.fail("the pass never ends")
})

/** From a state of the host that every trial comes from by an ordinary pass, without a reboot. */
const from = Effect.fnUntraced(function*(config: NodeConfig) {
  const { foreign, node } = yield* Host
  const [answer] = yield* node.passes(config, 1)
  assert.deepStrictEqual(answer?.troubles, [])
  return yield* foreign
})

layer(Host.layer, { excludeTestServices: true, timeout: 180_000 })("a pass killed at any of its writes", (it) => {
  it.effect("of a first run that finds its keys in the TPM", () =>
    Effect.gen(function*() {
      const { config, node } = yield* Host
      const kills = yield* killEverywhere(config({ relays: RELAYS }), { level: "service", when: "before" }, node.reset)
      assert.isAbove(kills, 20)
    }), 300_000)

  it.effect("of an update: another torrc, another relay, another name server", () =>
    Effect.gen(function*() {
      const { config, node } = yield* Host
      yield* node.reset
      const before = config({ relays: RELAYS, removed: ["bra"] })
      const after = config({
        relays: ["toma", "bra"],
        removed: ["robiola"],
        contact: "somebody else",
        dns: "203.0.113.1"
      })
      assert.isAbove(yield* killEverywhere(after, { level: "service", when: "before" }, from(before)), 20)
    }), 300_000)

  it.effect("of a teardown of one relay", () =>
    Effect.gen(function*() {
      const { config } = yield* Host
      const before = config({ relays: RELAYS, removed: ["bra"] })
      const after = config({ relays: ["toma"], removed: ["robiola"] })
      assert.isAbove(yield* killEverywhere(after, { level: "service", when: "before" }, from(before)), 5)
    }), 300_000)

  it.effect("of a teardown of all", () =>
    Effect.gen(function*() {
      const { config } = yield* Host
      const before = config({ relays: RELAYS, removed: ["bra"] })
      const after = config({ relays: [], removed: CHEESES })
      assert.isAbove(yield* killEverywhere(after, { level: "service", when: "before" }, from(before)), 5)
    }), 300_000)

  it.effect("the witness saw packets of relays, or it would have seen nothing wrong for nothing", () =>
    Effect.gen(function*() {
      const { node } = yield* Host
      console.log(yield* Witness.look(node.mission.node), yield* node.mission.node.execOk(["sh", "-c", "find /run/patela /etc/tor/instances /var/lib/tor-instances /etc/patela /tmp"]))
    }))
})
