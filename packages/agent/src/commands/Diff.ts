import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Console, Duration, Effect } from "effect"
import { Command, Flag } from "effect/cli"
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
import { json, type NodeOptions, reviewFlags } from "./AgentFlags.ts"
import { readConfigFile } from "./ConfigFile.ts"
import { configSourceOf } from "./ConfigSource.ts"
import { exitWith } from "./ExitWith.ts"
import { requireRoot } from "./requireRoot.ts"

const IN_SYNC = 0
const INCOMPLETE = 1
const CHANGES = 2

const full = Flag.Boolean("full").pipe(
  Flag.withDescription(
    "Show every relay for itself, and every line; else relays of which the same is to be said are one"
  ),
  Flag.withDefault(false)
)

interface LookOptions extends Omit<NodeOptions, "server"> {}

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
    const config = yield* (yield* Session).config({ total: Duration.zero })
    return yield* look(config, { from: "server", url: server.origin }, options)
  }).pipe(Effect.provide(observingLayer({ ...options, server })))
})

/** `patela-agent diff`: what `reconcile` would do. Its layer holds no writer, so it cannot change the host. */
export const Diff = Command.make(
  "diff",
  { ...reviewFlags, json, full },
  Effect.fn("diff")(function*(options) {
    const source = yield* configSourceOf(options)
    const view = yield* source.from === "file" ? ofFile(source.path, options) : ofServer(source.server, options)
    yield* Console.log(
      options.json
        ? yield* planJson(view)
        : planText(view, { style: styleFor(process.stdout, process.env["NO_COLOR"]), full: options.full })
    )
    yield* exitWith(!isComplete(view) ? INCOMPLETE : view.changes.length > 0 ? CHANGES : IN_SYNC)
  })
).pipe(
  Command.withDescription(
    "Show what reconcile would change, and change nothing; exits 0 in sync, 2 with changes, 1 when it cannot tell"
  ),
  Command.withExamples([
    { command: "patela-agent diff --server https://192.0.2.1:8020 --ca-cert /etc/patela/ca.pem" },
    { command: "patela-agent diff --full", description: "with PATELA_SERVER set; every relay and every line" },
    { command: "patela-agent diff --json", description: "a document for programs (docs/schemas/plan.v1.schema.json)" },
    { command: "patela-agent diff --config node.json", description: "review a configuration before it is rolled out" },
    {
      command: "patela-agent config | sed s/9001/443/ | patela-agent diff --config -",
      description: "what another port would change"
    }
  ])
)
