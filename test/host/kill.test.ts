import { assert, layer } from "@effect/vitest"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Context, Effect, Layer } from "effect"
import { type Cheese, CHEESES } from "../src/faults/faultConfig.ts"
import { FaultHost } from "../src/faults/FaultHost.ts"
import type { KillPoint } from "../src/faults/KillPoint.ts"
import { numberFrom, seeded } from "../src/faults/seeded.ts"
import { Witness } from "../src/faults/Witness.ts"

/** One node for the tests of this file. */
class Host extends Context.Service<Host, FaultHost>()("@patela/test/KillHost") {
  static readonly layer = Layer.effect(Host, FaultHost.make())
}

/** Another seed is another run of what is at random. */
const SEED = numberFrom("PATELA_FAULT_SEED", 1)
const ROUNDS = numberFrom("PATELA_FAULT_ROUNDS", 12)

const RELAYS: ReadonlyArray<Cheese> = ["toma", "robiola"]

/** Whether a pass is killed at every single call, which takes a quarter of an hour. */
const EVERY = process.env["PATELA_FAULT_KILLS"] === "every"

/** Else so many calls of each pass stand for all; another seed takes others. */
const SAMPLE = 14

/**
 * The calls before which a pass is killed. Where many equal ones stand in a row only the first and the last count; of
 * those, some at equal distances. Pure.
 */
const killPoints = (calls: ReadonlyArray<string>): ReadonlyArray<number> => {
  const all = [...calls.keys()]
  if (EVERY) return all
  const telling = all.filter((at) => calls[at] !== calls[at - 1] || calls[at] !== calls[at + 1])
  const step = Math.max(1, telling.length / SAMPLE)
  return telling.filter((_, index) => Math.floor((index + SEED) % step) === 0)
}

/**
 * Kills a pass at each of its writes, and after each kill has an ordinary pass put things right. `prepare` brings the host
 * to where the pass begins, and gives what is foreign on it. Gives the number of kills.
 */
const killEverywhere = Effect.fnUntraced(function*<E, R>(
  config: NodeConfig,
  kill: Pick<KillPoint, "level" | "when">,
  prepare: Effect.Effect<ReadonlyArray<string>, E, R>
) {
  const { node, settle, unharmed } = yield* Host
  yield* prepare
  const [whole] = yield* node.passes(config, 1)
  const points = killPoints(whole?.calls[kill.level] ?? [])
  let kills = 0
  for (const at of points) {
    const about = `${kill.when} ${kill.level} call ${at}, ${whole?.calls[kill.level][at]}`
    const foreign = yield* prepare
    // Calls that go beside each other may be one fewer the next time: then the last one is not reached.
    if ((yield* node.killed(config, { ...kill, at, delay: 0 })) === undefined) kills += 1
    yield* settle(config, about)
    yield* unharmed(foreign, about)
  }
  assert.isAtLeast(kills, points.length - 1)
  return kills
})

/** From a state of the host that every trial comes from by an ordinary pass, without a reboot. */
const from = Effect.fnUntraced(function*(config: NodeConfig) {
  const { foreign, node } = yield* Host
  const [answer] = yield* node.passes(config, 1)
  assert.deepStrictEqual(answer?.troubles, [])
  return yield* foreign
})

/** From relays of which these are new, for the trial before took their keys away. */
const anew = Effect.fnUntraced(function*(fresh: ReadonlyArray<Cheese>) {
  const { config, recordAnew } = yield* Host
  const foreign = yield* from(config({ relays: RELAYS, fresh }))
  yield* recordAnew(fresh)
  return foreign
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
      const before = config({ relays: RELAYS })
      const after = config({ relays: ["toma", "bra"], contact: "somebody else", dns: "203.0.113.1" })
      assert.isAbove(yield* killEverywhere(after, { level: "service", when: "before" }, from(before)), 20)
    }), 300_000)

  it.effect("of a teardown of one relay, with its keys", () =>
    Effect.gen(function*() {
      const { config } = yield* Host
      const after = config({ relays: ["toma"], removed: ["robiola"] })
      assert.isAbove(yield* killEverywhere(after, { level: "service", when: "before" }, anew(["robiola"])), 5)
    }), 300_000)

  it.effect("of a teardown of all, with their keys", () =>
    Effect.gen(function*() {
      const { config } = yield* Host
      const after = config({ relays: [], removed: CHEESES })
      assert.isAbove(yield* killEverywhere(after, { level: "service", when: "before" }, anew(RELAYS)), 5)
    }), 300_000)

  it.effect(
    "of an update, at random: in the middle of a call, and between two steps of a file",
    () =>
      Effect.gen(function*() {
        const { config, foreign, node, settle, unharmed } = yield* Host
        const below = seeded(SEED)
        yield* settle(config({ relays: CHEESES, fresh: CHEESES }), "before")
        yield* (yield* Host).recordAnew(CHEESES)
        const before = yield* foreign
        for (let round = 0; round < ROUNDS; round++) {
          const relays = RELAYS.concat("bra").filter((_, slot) => slot === 0 || slot % 2 === round % 2)
          const wanted = config({ relays, contact: `nobody ${round}`, dns: `203.0.113.${1 + round % 9}` })
          const kill: KillPoint = round % 2 === 0
            ? { level: "file", at: below(60), when: (["before", "after"] as const)[below(2)] ?? "after", delay: 0 }
            : { level: "service", at: below(40), when: "during", delay: below(60) }
          const about = `seed ${SEED}, round ${round}: ${JSON.stringify(kill)}`
          yield* node.killed(wanted, kill)
          yield* settle(wanted, about)
          yield* unharmed(before, about)
        }
      }),
    300_000
  )

  it.effect("the witness saw packets of relays, or it would have seen nothing wrong for nothing", () =>
    Effect.gen(function*() {
      const { node } = yield* Host
      assert.isAbove((yield* Witness.look(node.mission.node)).seen, 0)
    }))
})
