import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Duration, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { exitCodeOf } from "../converge/Verdict.ts"
import { kindsFor } from "../Kinds.ts"
import { nodeLayer } from "../NodeLayer.ts"
import { pass, type PassResult, troubles } from "../pass/Pass.ts"
import { report } from "../pass/Report.ts"
import { watch } from "../pass/Watch.ts"
import { Session } from "../session/Session.ts"
import { nodeFlags, type NodeOptions } from "./AgentFlags.ts"
import { exitWith } from "./ExitWith.ts"
import { requireRoot } from "./requireRoot.ts"

const Seconds = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 86_400 })))

const waitFlag = Flag.Int("wait").pipe(
  Flag.withDescription("Seconds to ask again while the server is away or the node not enabled (900); 0 asks once"),
  Flag.withSchema(Seconds),
  Flag.withDefault(900),
  Flag.withMetavar("SECONDS")
)

const watchFlag = Flag.Boolean("watch").pipe(
  Flag.withDescription("Stay, and put right what changes"),
  Flag.withDefault(false)
)

/** `patela-agent reconcile`: once, as the unit at boot runs it, or for good with `--watch`. */
export const Reconcile = Command.make(
  "reconcile",
  { ...nodeFlags, wait: waitFlag, watch: watchFlag },
  Effect.fn("reconcile")(function*(options) {
    yield* requireRoot("reconcile changes accounts, addresses, firewall and units")
    const patience = { total: Duration.seconds(options.wait) }
    yield* (options.watch ? watch(options, patience) : once(options, patience)).pipe(Effect.provide(nodeLayer(options)))
  })
).pipe(
  Command.withDescription("Bring this host to what the server says it should run"),
  Command.withExamples([
    { command: "patela-agent reconcile --server https://192.0.2.1:8020 --ca-cert /etc/patela/ca.pem" },
    { command: "patela-agent reconcile --watch", description: "with PATELA_SERVER and PATELA_CA_CERT set" },
    { command: "patela-agent reconcile --wait 0", description: "give up at once when the server does not answer" }
  ])
)

const once = Effect.fn("Reconcile.once")(function*(options: NodeOptions, patience: { total: Duration.Duration }) {
  const config = yield* (yield* Session).config(patience)
  const result = yield* pass(kindsFor(options), config, options.relayInterface)
  yield* report(result, config)
  yield* say(result, config)
  yield* exitWith(exitCodeOf[result.verdict])
})

const say = Effect.fn("Reconcile.say")(function*(result: PassResult, config: NodeConfig) {
  for (const trouble of troubles(result, config)) yield* Effect.logError(trouble)
  const changes = result.convergence.changes.length
  const relays = `${config.relays.length} relay${config.relays.length === 1 ? "" : "s"}`
  if (result.verdict === "converged") {
    if (changes > 0) yield* Effect.logInfo(`${relays} as configured after ${changes} changes`)
    return
  }
  yield* Effect.logError(
    result.verdict === "partly"
      ? `some of ${relays} are not as configured, see above; the others run`
      : `${relays} could not be brought up as configured, see above`
  )
})
