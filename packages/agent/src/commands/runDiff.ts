import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Console, Duration, Effect } from "effect"
import { withForeseen } from "../converge/foreseen.ts"
import { plan } from "../converge/Plan.ts"
import { AgentState } from "../host/AgentState.ts"
import { kindsFor } from "../Kinds.ts"
import { hostObservingLayer, observingLayer } from "../NodeLayer.ts"
import { guardsFor, heldBy } from "../pass/Guards.ts"
import { inputOf } from "../pass/Pass.ts"
import { planJson } from "../present/PlanDocument.ts"
import { planText } from "../present/PlanText.ts"
import { isComplete, type PlanSource, type PlanView } from "../present/PlanView.ts"
import { styleFor } from "../present/Style.ts"
import { Session } from "../session/Session.ts"
import type { NodeOptions } from "./AgentFlags.ts"
import { readConfigFile } from "./ConfigFile.ts"
import { configSourceOf } from "./ConfigSource.ts"
import { exitWith } from "./ExitWith.ts"
import { lookAhead } from "./lookAhead.ts"
import { requireRoot } from "./requireRoot.ts"

const IN_SYNC = 0
const INCOMPLETE = 1
const CHANGES = 2

interface LookOptions extends Omit<NodeOptions, "server" | "allowUnmeasured"> {}

/** The values of the flags of `patela-agent diff`. */
export interface DiffOptions extends LookOptions {
  readonly server: URL | undefined
  readonly config: string | undefined
  readonly json: boolean
  readonly full: boolean
}

const asRoot = requireRoot("diff reads key files, units and firewall rules")

const look = Effect.fn("Diff.look")(function*(config: NodeConfig, source: PlanSource, options: LookOptions) {
  const kinds = kindsFor(options)
  const seen = withForeseen(yield* plan(kinds, yield* inputOf(config, options.relayInterface)))
  const notes = yield* (yield* AgentState).read
  const held = heldBy(guardsFor(kinds, seen.changes, config, notes), seen.changes)
  return { ...seen, config, source, held } satisfies PlanView
})

/** The file is read first: who mends a mistake in it needs neither root nor this host. */
const ofFile = Effect.fn("Diff.ofFile")(function*(path: string, options: LookOptions) {
  const config = yield* readConfigFile(path)
  yield* asRoot
  return yield* Effect.provide(look(config, { from: "file", path }, options), hostObservingLayer(options))
})

const ofServer = Effect.fn("Diff.ofServer")(function*(server: URL, options: LookOptions) {
  yield* asRoot
  return yield* Effect.gen(function*() {
    const asked = (yield* Session).config({ total: Duration.zero })
    const [config] = yield* Effect.all([asked, lookAhead], { concurrency: "unbounded" })
    return yield* look(config, { from: "server", url: server.origin }, options)
  }).pipe(Effect.provide(observingLayer({ ...options, server })))
})

/** What `patela-agent diff` does; a module of its own, loaded only by that command. */
export const runDiff = Effect.fn("runDiff")(function*(options: DiffOptions) {
  const source = yield* configSourceOf(options)
  const view = yield* source.from === "file" ? ofFile(source.path, options) : ofServer(source.server, options)
  yield* Console.log(
    options.json
      ? yield* planJson(view)
      : planText(view, { style: styleFor(process.stdout, process.env["NO_COLOR"]), full: options.full })
  )
  yield* exitWith(!isComplete(view) ? INCOMPLETE : view.changes.length > 0 ? CHANGES : IN_SYNC)
})
