import { Console, Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import { AllocationSettings } from "../allocate/AllocationSettings.ts"
import { BootPolicy } from "../boot/BootPolicy.ts"
import { Generation } from "../generation/Generation.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { nodeView } from "../nodes/NodeView.ts"
import { Relays } from "../relays/Relays.ts"
import { relayView } from "../relays/RelayView.ts"
import { TrustPolicy } from "../trust/TrustPolicy.ts"
import { clocksText, exhaustedText, nodeTable, relayTable } from "./describe.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"

/** Whether any value in a view, whatever its name, has the text in it; case does not matter. */
const holds = (view: unknown, text: string): boolean =>
  typeof view === "object" && view !== null
    ? Object.values(view).some((value) => holds(value, text))
    : view !== null && String(view).toLowerCase().includes(text)

export const list = Command.make(
  "list",
  {
    what: Argument.Literals("what", ["all", "node", "relay"]).pipe(Argument.withDescription("What to list")),
    filter: Argument.String("filter").pipe(
      Argument.withDescription("Only those with this text in a name, state, address, fingerprint or other value"),
      Argument.optional
    ),
    json: jsonFlag
  },
  Effect.fn("list")(function*({ what, filter, json }) {
    const nodeRows = yield* (yield* Nodes).list
    const relayRows = yield* (yield* Relays).list
    const current = yield* (yield* Generation).current
    const text = Option.getOrElse(filter, () => "").toLowerCase()
    const { tier } = yield* TrustPolicy
    const standing = yield* (yield* BootPolicy).standings
    const { relays_per_node } = yield* (yield* AllocationSettings).rules
    const views = yield* Effect.forEach(nodeRows, (node) => {
      const names = relayRows.filter((relay) => relay.node_id === node.id).map((relay) => relay.name)
      return Effect.map(
        tier(node),
        (found) => nodeView(node, names, current, found, standing(node.id), relays_per_node)
      )
    })
    const nodes = views.filter((node) => holds(node, text))
    const relays = relayRows.map(relayView).filter((relay) => holds(relay, text))
    const wanted = { ...what === "relay" ? {} : { nodes }, ...what === "node" ? {} : { relays } }
    if (json) return yield* printJson(wanted)
    const tables = [...what === "relay" ? [] : [nodeTable(nodes)], ...what === "node" ? [] : [relayTable(relays)]]
    yield* Console.log(
      [...tables, ...what === "relay" ? [] : [...exhaustedText(nodes), ...clocksText(nodes)]].join("\n\n")
    )
  })
).pipe(
  Command.withDescription("List nodes, relays, or all"),
  Command.withExamples([
    { command: "patela list node waiting", description: "The machines that wait to be enabled" },
    { command: "patela list node behind", description: "Those that have not taken up the newest configuration" },
    { command: "patela list node exhausted", description: "Those that are given no more relays, and why" },
    { command: "patela list node surplus", description: "Those that have more than their hardware calls for" },
    { command: "patela list node \"clock off\"", description: "Those whose clock is more than a minute off" },
    { command: "patela list relay --json", description: "Every relay, for a program" }
  ]),
  Command.provide(StoreServices)
)
