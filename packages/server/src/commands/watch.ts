import { Clock, Console, Effect, Ref } from "effect"
import { Command, Flag } from "effect/cli"
import { fleetChanges } from "../fleet/fleetChanges.ts"
import { type FleetSight, fleetSightOf } from "../fleet/FleetSight.ts"
import { Generation } from "../generation/Generation.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Relays } from "../relays/Relays.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { changeLine, fleetScreen } from "./fleetText.ts"
import { StoreServices } from "./StoreServices.ts"

/** ECMA-48: to the first cell, and all after it away; the cursor off and on. */
const HOME = "\u001b[H\u001b[J"
const HIDE = "\u001b[?25l"
const SHOW = "\u001b[?25h"

const write = (text: string) => Effect.sync(() => void process.stdout.write(text))

const look = Effect.gen(function*() {
  const nodes = yield* (yield* Nodes).list
  const relays = yield* (yield* Relays).list
  const generation = yield* (yield* Generation).current
  const now = yield* Clock.currentTimeMillis
  return { at: new Date(now).toISOString(), generation, sight: fleetSightOf({ nodes, relays }, generation, now) }
})

/** The whole screen anew at each look, for a person. */
const screen = Effect.gen(function*() {
  const { at, generation, sight } = yield* look
  // A terminal that does not say how large it is says zero.
  const [height, width] = [process.stdout.rows || 24, process.stdout.columns || 80]
  const time = `${at.slice(0, 19).replace("T", " ")} UTC`
  yield* write(`${HOME}${time}\n${fleetScreen(sight, generation, height - 2, width)}\n`)
})

/** A line for each change; at first one for each value that there is. */
const lines = (before: Ref.Ref<FleetSight | undefined>, json: boolean) =>
  Effect.gen(function*() {
    const { at, sight } = yield* look
    for (const change of fleetChanges(yield* Ref.getAndSet(before, sight), sight)) {
      yield* Console.log(json ? JSON.stringify({ at, ...change }) : changeLine(at, change))
    }
  })

export const watch = Command.make(
  "watch",
  {
    every: Flag.Int("every").pipe(Flag.withDescription("Seconds between two looks"), Flag.withDefault(1)),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("A JSON object a line: {at, of, name, field, before, after}"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("watch")(function*({ every, json }) {
    if (every < 1 || every > 3600) return yield* new CommandFailed({ message: "--every is 1 to 3600 seconds" })
    const toPerson = process.stdout.isTTY && !json
    const before = yield* Ref.make<FleetSight | undefined>(undefined)
    if (toPerson) yield* Effect.acquireRelease(write(HIDE), () => write(SHOW))
    const once = toPerson ? screen : lines(before, json)
    return yield* Effect.forever(Effect.andThen(once, Effect.sleep(`${every} seconds`)))
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Follow the fleet until it is interrupted: in a terminal a screen of what is in trouble, elsewhere a line for each change"
  ),
  Command.withShortDescription("Follow the fleet until it is interrupted"),
  Command.withExamples([
    { command: "patela watch", description: "How many are enabled, current, running; and what is not" },
    { command: "patela watch --json --every 5", description: "Every value at first, then every change, for a program" }
  ]),
  Command.provide(StoreServices)
)
