import { lineDifferences } from "@patela/domain/torrc/lineDifferences"
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { TorrcLayers } from "../torrc/TorrcLayers.ts"
import { scopeText } from "../torrc/TorrcScope.ts"
import { fleetChangeText } from "./describeFleetChange.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { tellWarnings } from "./torrcChange.ts"
import { overLayers } from "./torrcLayer.ts"
import { readTorrc, torrcFileArgument } from "./torrcText.ts"

const own = { file: torrcFileArgument, json: jsonFlag }

export const torrcDiff = Command.make("diff").pipe(
  Command.withDescription("Say what a torrc in the place of a layer would do to every relay; nothing is stored"),
  Command.withExamples([
    { command: "patela torrc diff default ./torrc", description: "Which relays change, by which lines, and how" },
    { command: "patela torrc diff node 5 - --json < torrc", description: "For a program, from stdin" }
  ]),
  Command.withSubcommands(
    overLayers(
      own,
      {
        command: "diff",
        description: "Say what a torrc would do in the place of the one",
        example: ["./torrc", "Which relays change, by which lines, and whether tor is reloaded or restarted"]
      },
      Effect.fn("torrc.diff")(function*(scope, { file, json }) {
        const text = yield* readTorrc(file)
        const preview = yield* (yield* TorrcLayers).preview(scope, { how: "replace", text })
        const { before, after, warnings, fleet } = preview
        if (!json) {
          yield* tellWarnings(warnings)
          return yield* Console.log(fleetChangeText(fleet))
        }
        yield* printJson({
          layer: scopeText(scope),
          lines: lineDifferences(before, after),
          warnings,
          changed: fleet.changed.map((group) => ({ ...group, count: group.relays.length })),
          unchanged: fleet.unchanged
        })
      })
    )
  )
)
