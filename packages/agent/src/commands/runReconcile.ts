import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { DateTime, Duration, Effect, Option } from "effect"
import { type Trouble, troubleText } from "../converge/Trouble.ts"
import { exitCodeOf, type Verdict } from "../converge/Verdict.ts"
import { AgentNotes, AgentState } from "../host/AgentState.ts"
import { KeptConfig } from "../host/KeptConfig.ts"
import { kindsFor } from "../Kinds.ts"
import { nodeLayer } from "../NodeLayer.ts"
import { changeText, pass } from "../pass/Pass.ts"
import { enforcedFor } from "../pass/Quarantine.ts"
import { recoverTrial } from "../pass/recoverTrial.ts"
import { report } from "../pass/Report.ts"
import { type Patience, Session } from "../session/Session.ts"
import { statusAfter } from "../status/AgentStatus.ts"
import { StatusFile } from "../status/StatusFile.ts"
import { watch } from "../watch/Watch.ts"
import type { NodeOptions } from "./AgentFlags.ts"
import { exitWith } from "./ExitWith.ts"

/** The values of the flags of `patela-agent reconcile`. */
export interface ReconcileOptions extends NodeOptions {
  /** Seconds. */
  readonly wait: number
  readonly watch: boolean
  readonly retryRolledBack: boolean
  readonly metrics: Option.Option<{ readonly host: string; readonly port: number }>
}

/** What `patela-agent reconcile` does; a module of its own, loaded only by that command. */
export const runReconcile = Effect.fn("runReconcile")(
  function*(options: ReconcileOptions) {
    const patience = { total: Duration.seconds(options.wait) }
    if (options.retryRolledBack) yield* (yield* AgentNotes).note({ quarantined: null })
    yield* recoverTrial(kindsFor(options), options.relayInterface)
    yield* options.watch ? forGood(options, patience) : once(options, patience)
  },
  (work, options) => Effect.provide(work, nodeLayer(options))
)

const forGood = Effect.fn("Reconcile.forGood")(function*(options: ReconcileOptions, patience: Patience) {
  if (Option.isSome(options.metrics)) {
    // Loaded only here: an HTTP server is of no use to a single run.
    const { serveMetrics } = yield* Effect.promise(() => import("../metrics/MetricsServer.ts"))
    yield* serveMetrics(options.metrics.value)
  }
  const { relayInterface } = options
  const { events } = yield* Session
  return yield* watch(kindsFor(options), yield* firstConfig(patience), { events, relayInterface })
}, Effect.scoped)

/** What a watching agent begins with: the server's word, or while it is away the last good one of this boot. */
const firstConfig = Effect.fn("Reconcile.firstConfig")(function*(patience: Patience) {
  const session = yield* Session
  const said = yield* Effect.result(session.config({ total: Duration.zero }))
  if (said._tag === "Success") return said.success
  const kept = yield* (yield* KeptConfig).read
  if (Option.isNone(kept)) return yield* session.config(patience)
  yield* Effect.logWarning(`${said.failure.message}; the last configuration of this boot is enforced`)
  return kept.value
})

const once = Effect.fn("Reconcile.once")(function*(options: NodeOptions, patience: Patience) {
  const said = yield* (yield* Session).config(patience)
  const { config, takenBack } = enforcedFor(said, yield* (yield* AgentState).read, yield* (yield* KeptConfig).read)
  const result = yield* pass(kindsFor(options), config, { relayInterface: options.relayInterface })
  const { convergence, troubles } = result
  const rolledBack = result.rolledBack?.why ?? takenBack
  const situation = { troubles, rolledBack: result.rolledBack }
  const { verdict } = yield* (yield* StatusFile).update((before) =>
    statusAfter(before, {
      config,
      situation,
      takenBack,
      contended: [],
      changes: convergence.changes.map(changeText),
      at: DateTime.formatIso(DateTime.nowUnsafe())
    })
  )
  yield* report({ config, troubles, takenBack: rolledBack, changed: convergence.changes.length > 0 }).pipe(
    Effect.catch(({ message }) => Effect.logWarning(`the server did not get our report: ${message}`))
  )
  yield* say(config, troubles, verdict, convergence.changes.length)
  yield* exitWith(exitCodeOf[verdict])
})

const say = Effect.fn("Reconcile.say")(function*(
  config: NodeConfig,
  troubles: ReadonlyArray<Trouble>,
  verdict: Verdict,
  changes: number
) {
  for (const trouble of troubles) yield* Effect.logError(troubleText(trouble))
  const relays = `${config.relays.length} relay${config.relays.length === 1 ? "" : "s"}`
  switch (verdict) {
    case "converged":
      return changes > 0 ? yield* Effect.logInfo(`${relays} as configured after ${changes} changes`) : undefined
    case "partly":
      return yield* Effect.logError(`some of ${relays} are not as configured, see above; the others run`)
    case "failed":
      return yield* Effect.logError(`${relays} could not be brought up as configured, see above`)
    case "rolled back":
      return yield* Effect.logError(
        "the server's configuration cut this node off from its server and is not in force; change it on the server, or " +
          "try it again with --retry-rolled-back"
      )
  }
})
