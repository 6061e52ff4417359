import { unitOf } from "@patela/domain/relay/RelayName"
import { SystemBus } from "@patela/reconcilers/host/SystemBus"
import { SystemdReader } from "@patela/reconcilers/units/SystemdReader"
import { Clock, Console, Effect, Layer, Option, Schema } from "effect"
import { KeptConfig } from "../host/KeptConfig.ts"
import { statusText } from "../present/StatusText.ts"
import { styleFor } from "../present/Style.ts"
import { readinessOf } from "../readiness/RelayReadiness.ts"
import { TorControl } from "../readiness/TorControl.ts"
import { AgentStatus } from "../status/AgentStatus.ts"
import { readStatus, STATUS_PATH } from "../status/StatusFile.ts"
import { exitWith } from "./ExitWith.ts"
import { requireRoot } from "./requireRoot.ts"

/** A relay now: its unit as systemd says it, and what tor itself says is missing until it is of use. */
const RelayNow = Schema.Struct({
  relay: Schema.String,
  active: Schema.String,
  sub: Schema.String,
  ready: Schema.Boolean,
  /** Percent. */
  bootstrapped: Schema.Int,
  missing: Schema.Array(Schema.String)
})

/** What `status --json` prints: the agent's word of its last pass, and beside it what systemd and tor say now. */
const StatusDocument = Schema.fromJsonString(Schema.Struct({ ...AgentStatus.fields, now: Schema.Array(RelayNow) }))

const Services = Layer.mergeAll(
  SystemdReader.layer.pipe(Layer.provide(SystemBus.layer)),
  KeptConfig.layer,
  TorControl.layer
)

/** So many control sockets are asked at once. */
const AT_ONCE = 32

const relaysNow = Effect.fn("status.relaysNow")(function*(status: AgentStatus) {
  const listed = yield* Effect.flatMap(SystemdReader, ({ list }) => list)
  const config = yield* Effect.flatMap(KeptConfig, ({ read }) => read)
  const configured = new Map(Option.match(config, {
    onNone: () => [],
    onSome: ({ relays }) => relays.map((relay) => [relay.name, relay] as const)
  }))
  return yield* Effect.forEach(status.relays, ({ name }) =>
    Effect.gen(function*() {
      const unit = listed.find((each) => each.unit === unitOf(name))
      const expected = configured.get(name)
      const readiness = expected === undefined || unit?.active !== "active"
        ? { ready: false, bootstrapped: 0, missing: ["its unit is not active"] }
        : yield* readinessOf(expected)
      return { relay: name, active: unit?.active ?? "not loaded", sub: unit?.sub ?? "", ...readiness }
    }), { concurrency: AT_ONCE })
})

/** What `patela-agent status` does; a module of its own, loaded only by that command. */
export const showStatus = Effect.fn("showStatus")(function*(options: { readonly json: boolean }) {
  yield* requireRoot(`status reads ${STATUS_PATH}`)
  const status = yield* readStatus(STATUS_PATH)
  const now = yield* relaysNow(status).pipe(Effect.provide(Services))
  if (options.json) yield* Console.log(yield* Schema.encodeEffect(StatusDocument)({ ...status, now }))
  else {
    const style = styleFor(process.stdout, process.env["NO_COLOR"])
    yield* Console.log(statusText(status, now, yield* Clock.currentTimeMillis, style))
  }
  yield* exitWith(status.verdict === "converged" ? 0 : 3)
})
