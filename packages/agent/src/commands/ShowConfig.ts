import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { serverFlags } from "./AgentFlags.ts"

const oneLine = Flag.Boolean("json").pipe(
  Flag.withDescription("On one line, for programs; else indented, to be read and edited"),
  Flag.withDefault(false)
)

/** `patela-agent config`: what the server says this node should run, in the form that `diff --config` reads. */
export const ShowConfig = Command.make(
  "config",
  { ...serverFlags, json: oneLine },
  Effect.fn("config")(function*(options) {
    const { printConfig } = yield* Effect.promise(() => import("./printConfig.ts"))
    yield* printConfig(options)
  })
).pipe(
  Command.withDescription(
    "Print the configuration that the server resolves for this node, as JSON that diff --config reads. Its torrc lines " +
      "are whole, with whatever secrets operators put there: keep the file where only root reads it (umask 077)"
  ),
  Command.withExamples([
    { command: "patela-agent config --server https://192.0.2.1:8020 --ca-cert /etc/patela/ca.pem" },
    { command: "(umask 077; patela-agent config > node.json)", description: "with PATELA_SERVER set; edit it, then" },
    { command: "patela-agent diff --config node.json", description: "see what the edited one would change" }
  ])
)
