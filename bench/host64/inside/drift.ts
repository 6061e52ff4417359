import { Schema } from "effect"
import { setTimeout } from "node:timers/promises"
import { DriftFigures, DriftOrder } from "../DriftFigures.ts"
import { type DriftCase, driftCases } from "./DriftCase.ts"
import { outputOf } from "./Program.ts"
import { LIMIT } from "./trials.ts"

/**
 * Runs on the node: breaks one thing after the other and measures how long the watching agent takes to put it right.
 * Takes a DriftOrder as its argument, prints DriftFigures, says on its error output what it is at.
 */
const WATCH = "patela-agent-watch.service"

/** Pauses between a repair and the next drift, in milliseconds: long enough that a pass is over, and not in step with it. */
const PAUSE = { least: 300, most: 700 }

/** Misses in a row after which a kind of drift is not tried again. */
const PATIENCE = 2

/** mulberry32: numbers in [0, 1) that are the same for the same seed. */
const randomFrom = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const shuffled = <A>(values: ReadonlyArray<A>, pick: () => number): ReadonlyArray<A> =>
  values.map((value) => ({ value, at: pick() })).toSorted((one, other) => one.at - other.at).map(({ value }) => value)

/**
 * Everything is right once this returns, for the agent makes a full pass before it says that it is ready. It also forgets
 * what it corrected, which would else be contended after five times; then its watchers open.
 */
const startAnew = async (): Promise<void> => {
  await outputOf("systemctl", ["restart", WATCH])
  await setTimeout(2000)
}

const order = Schema.decodeUnknownSync(DriftOrder)(process.argv[2])
const pick = randomFrom(order.seed)
const cases = await driftCases(order)
const managed = cases.filter((each) => each.managed)
const taken = new Map<DriftCase, { readonly ms: Array<number>; missed: number; inARow: number }>(
  managed.map((each) => [each, { ms: [], missed: 0, inARow: 0 }])
)
let turn = 0
for (let round = 0; round < order.rounds; round++) {
  await startAnew()
  const trials = Array.from({ length: order.perRound }, () => managed).flat()
  for (const each of shuffled(trials, pick)) {
    const figures = taken.get(each)
    const relay = order.relays[turn++ % order.relays.length]
    if (figures === undefined || relay === undefined || figures.inARow >= PATIENCE) continue
    const ms = await each.trial(relay, pick)()
    if (ms === undefined) {
      process.stderr.write(`${each.drift} of ${relay.name}: not within ${LIMIT / 1000} s\n`)
      figures.missed += 1
      figures.inARow += 1
      await startAnew()
    } else {
      figures.ms.push(ms)
      figures.inARow = 0
    }
    await setTimeout(PAUSE.least + pick() * (PAUSE.most - PAUSE.least))
  }
}
process.stdout.write(
  Schema.encodeSync(DriftFigures)({
    limitMs: LIMIT,
    kinds: [...taken].map(([{ drift }, { inARow, missed, ms }]) => ({
      drift,
      ms,
      missed,
      givenUp: inARow >= PATIENCE
    })),
    leftOut: cases.filter((each) => !each.managed).map(({ drift }) => drift)
  })
)
// The monitors would keep it alive.
process.exit(0)
