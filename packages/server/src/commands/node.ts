import { Console, Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import { AllocationSettings } from "../allocate/AllocationSettings.ts"
import { BootPolicy } from "../boot/BootPolicy.ts"
import { Generation } from "../generation/Generation.ts"
import { Administration } from "../nodes/Administration.ts"
import { NODE_SETTINGS, overridesOf, settingText } from "../nodes/NodeSetting.ts"
import { nodeView } from "../nodes/NodeView.ts"
import { Relays } from "../relays/Relays.ts"
import { TrustPolicy } from "../trust/TrustPolicy.ts"
import { administrator } from "./administrator.ts"
import { nodeText } from "./describe.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { nodeIdArgument } from "./nodeIdArgument.ts"
import { nodeRemove } from "./nodeRemove.ts"
import { nodeDisable, nodeEnable, nodeRevoke } from "./nodeState.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"

const show = Command.make(
  "show",
  { id: nodeIdArgument, json: jsonFlag },
  Effect.fn("node.show")(function*({ id, json }) {
    const node = yield* (yield* Administration).node(id)
    const relays = yield* (yield* Relays).ofNode(id)
    const tier = yield* (yield* TrustPolicy).tier(node)
    const boot = (yield* (yield* BootPolicy).standings)(id)
    const names = relays.map((relay) => relay.name)
    const { relays_per_node } = yield* (yield* AllocationSettings).rules
    const view = nodeView(node, names, yield* (yield* Generation).current, tier, boot, relays_per_node)
    yield* json ? printJson(view) : Console.log(nodeText(view))
  })
).pipe(
  Command.withDescription("Show what is known of a node"),
  Command.withExamples([{ command: "patela node show 5", description: "Its hardware, relays, settings and keys" }]),
  Command.provide(StoreServices)
)

const keyArgument = Argument.Literals("key", NODE_SETTINGS).pipe(
  Argument.withDescription("relays: how many it runs, whatever its hardware. geoip: load tor's GeoIP files, on or off")
)

const set = Command.make(
  "set",
  {
    id: nodeIdArgument,
    key: keyArgument,
    value: Argument.String("value").pipe(
      Argument.withDescription("The value; `default` gives the common one back")
    )
  },
  Effect.fn("node.set")(function*({ id, key, value }) {
    const after = yield* (yield* Administration).set(yield* administrator, id, key, value)
    const when = key === "relays"
      ? " It counts when the node next reports its hardware; a smaller number removes no relay."
      : ""
    yield* Console.log(`Node ${id}: ${key} is now ${settingText(after, key)}.${when}`)
  })
).pipe(
  Command.withDescription("Set something for one node apart from the others"),
  Command.withExamples([
    { command: "patela node set 5 relays 8", description: "Eight relays" },
    { command: "patela node set 5 geoip default", description: "As for all nodes" }
  ]),
  Command.provide(StoreServices)
)

const get = Command.make(
  "get",
  { id: nodeIdArgument, key: Argument.optional(keyArgument), json: jsonFlag },
  Effect.fn("node.get")(function*({ id, key, json }) {
    const overrides = overridesOf(yield* (yield* Administration).node(id))
    const keys = Option.match(key, { onNone: () => NODE_SETTINGS, onSome: (one) => [one] })
    if (json) return yield* printJson(Object.fromEntries(keys.map((one) => [one, settingText(overrides, one)])))
    yield* Console.log(
      Option.isSome(key)
        ? settingText(overrides, key.value)
        : keys.map((one) => `${one} ${settingText(overrides, one)}`).join("\n")
    )
  })
).pipe(
  Command.withDescription("Print a node's own settings"),
  Command.withExamples([{ command: "patela node get 5 relays", description: "How many relays were set for node 5" }]),
  Command.provide(StoreServices)
)

export const node = Command.make("node").pipe(
  Command.withDescription("Look at nodes and decide about them"),
  Command.withSubcommands([nodeEnable, nodeDisable, nodeRevoke, show, set, get, nodeRemove])
)
