import { shownLine } from "@patela/domain/torrc/lineDifferences"
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import type { ExplainedLine } from "../torrc/explainTorrc.ts"
import { TorrcLayers } from "../torrc/TorrcLayers.ts"
import { scopeText } from "../torrc/TorrcScope.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"
import { table } from "./table.ts"
import { layerArguments, scopeOf } from "./torrcLayer.ts"

const explainedText = (lines: ReadonlyArray<ExplainedLine>): string =>
  table(
    ["FROM", "LINE", "TORRC"],
    lines.map(({ from, line, text }) => [from, line === null ? "-" : String(line), shownLine(text)])
  )

export const torrcGet = Command.make(
  "get",
  {
    ...layerArguments,
    resolved: Flag.Boolean("resolved").pipe(
      Flag.withDescription("Merged with the layers below it, as a relay gets it"),
      Flag.withDefault(false)
    ),
    explain: Flag.Boolean("explain").pipe(
      Flag.withDescription(
        "Resolved, and of each line which layer it is from; of a relay with what Patela writes itself"
      ),
      Flag.withDefault(false)
    ),
    json: jsonFlag
  },
  Effect.fn("torrc.get")(function*({ layer, target, resolved, explain, json }) {
    const scope = yield* scopeOf({ layer, target })
    const layers = yield* TorrcLayers
    if (explain) {
      const lines = yield* layers.explained(scope)
      return yield* json
        ? printJson({ layer: scopeText(scope), resolved: true, lines })
        : Console.log(explainedText(lines))
    }
    const text = yield* resolved ? layers.resolved(scope) : layers.get(scope)
    if (json) return yield* printJson({ layer: scopeText(scope), resolved, torrc: text })
    yield* Console.log(text.replace(/\n$/, ""))
  })
).pipe(
  Command.withDescription("Print a layer of torrc"),
  Command.withExamples([
    { command: "patela torrc get default", description: "As it was imported" },
    { command: "patela torrc get relay toma --resolved", description: "What the relay toma is told" },
    { command: "patela torrc get relay toma --resolved --explain", description: "And who says each line of it" }
  ]),
  Command.provide(StoreServices)
)
