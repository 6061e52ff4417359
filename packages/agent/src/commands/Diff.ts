import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { json, reviewFlags } from "./AgentFlags.ts"

const full = Flag.Boolean("full").pipe(
  Flag.withDescription(
    "Show every relay for itself, and every line; else relays of which the same is to be said are one"
  ),
  Flag.withDefault(false)
)

/** `patela-agent diff`: what `reconcile` would do. Its layer holds no writer, so it cannot change the host. */
export const Diff = Command.make(
  "diff",
  { ...reviewFlags, json, full },
  Effect.fn("diff")(function*(options) {
    const { runDiff } = yield* Effect.promise(() => import("./runDiff.ts"))
    yield* runDiff(options)
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
