import { unitOf } from "@patela/domain/relay/RelayName"
import { SystemBus } from "@patela/reconcilers/units/SystemBus"
import { SystemdReader } from "@patela/reconcilers/units/SystemdReader"
import { Clock, Console, Effect, Layer, Schema } from "effect"
import { Command } from "effect/cli"
import { statusText } from "../present/StatusText.ts"
import { styleFor } from "../present/Style.ts"
import { AgentStatus } from "../status/AgentStatus.ts"
import { readStatus, STATUS_PATH } from "../status/StatusFile.ts"
import { json } from "./AgentFlags.ts"
import { exitWith } from "./ExitWith.ts"
import { requireRoot } from "./requireRoot.ts"

const UnitState = Schema.Struct({ relay: Schema.String, active: Schema.String, sub: Schema.String })

/** What `status --json` prints: the agent's word, and beside it what systemd says of the units now. */
const StatusDocument = Schema.fromJsonString(Schema.Struct({ ...AgentStatus.fields, units: Schema.Array(UnitState) }))

const SystemdLayer = SystemdReader.layer.pipe(Layer.provide(SystemBus.layer))

/** `patela-agent status`: how the node stands, from the status file of the last pass and from systemd. */
export const Status = Command.make(
  "status",
  { json },
  Effect.fn("status")(function*(options) {
    yield* requireRoot(`status reads ${STATUS_PATH}`)
    const status = yield* readStatus(STATUS_PATH)
    const listed = yield* Effect.flatMap(SystemdReader, ({ list }) => list).pipe(Effect.provide(SystemdLayer))
    const units = status.relays.map(({ name }) => {
      const unit = listed.find((each) => each.unit === unitOf(name))
      return { relay: name, active: unit?.active ?? "not loaded", sub: unit?.sub ?? "" }
    })
    if (options.json) yield* Console.log(yield* Schema.encodeEffect(StatusDocument)({ ...status, units }))
    else {
      const style = styleFor(process.stdout, process.env["NO_COLOR"])
      yield* Console.log(statusText(status, units, yield* Clock.currentTimeMillis, style))
    }
    yield* exitWith(status.verdict === "converged" ? 0 : 3)
  })
).pipe(
  Command.withDescription(
    "Show how this node stands: its relays, since when, and what is blocked and why; exits 0 when all is as configured, " +
      "3 when something is not, 1 when it cannot tell"
  ),
  Command.withShortDescription("Show how this node stands"),
  Command.withExamples([{ command: "patela-agent status" }, { command: "patela-agent status --json" }])
)
