import { Console, Duration, Effect, Schema } from "effect"
import { Command } from "effect/cli"
import { plan } from "../converge/Plan.ts"
import { kindsFor } from "../Kinds.ts"
import { observingLayer } from "../NodeLayer.ts"
import { inputOf } from "../pass/Pass.ts"
import { PlanDocument, planDocument } from "../present/PlanDocument.ts"
import { planText } from "../present/PlanText.ts"
import { styleFor } from "../present/Style.ts"
import { Session } from "../session/Session.ts"
import { json, nodeFlags } from "./AgentFlags.ts"
import { exitWith } from "./ExitWith.ts"
import { requireRoot } from "./requireRoot.ts"

const IN_SYNC = 0
const INCOMPLETE = 1
const CHANGES = 2

const encodeDocument = Schema.encodeEffect(Schema.fromJsonString(PlanDocument))

/** `patela-agent diff`: what `reconcile` would do. Its layer holds no writer, so it cannot change the host. */
export const Diff = Command.make(
  "diff",
  { ...nodeFlags, json },
  Effect.fn("diff")(function*(options) {
    yield* requireRoot("diff reads key files, units and firewall rules")
    const view = yield* Effect.gen(function*() {
      const config = yield* (yield* Session).config({ total: Duration.zero })
      return yield* plan(kindsFor(options), yield* inputOf(config, options.relayInterface))
    }).pipe(Effect.provide(observingLayer(options)))
    yield* Console.log(
      options.json
        ? yield* encodeDocument(planDocument(view))
        : planText(view, styleFor(process.stdout, process.env["NO_COLOR"]))
    )
    yield* exitWith(view.failures.length > 0 ? INCOMPLETE : view.changes.length > 0 ? CHANGES : IN_SYNC)
  })
).pipe(
  Command.withDescription("Show what reconcile would change; exits 0 in sync, 2 with changes, 1 when it cannot tell"),
  Command.withExamples([
    { command: "patela-agent diff --server https://192.0.2.1:8020 --ca-cert /etc/patela/ca.pem" },
    { command: "patela-agent diff --json", description: "a document for programs" }
  ])
)
