import { Effect } from "effect"
import { Command } from "effect/cli"
import { StoreServices } from "./StoreServices.ts"
import { changeLayer } from "./torrcChange.ts"
import { dryRunFlag, layerArguments, scopeOf } from "./torrcLayer.ts"
import { readTorrc, torrcFileArgument } from "./torrcText.ts"

export const torrcImport = Command.make(
  "import",
  { file: torrcFileArgument, ...layerArguments, dryRun: dryRunFlag },
  Effect.fn("torrc.import")(function*({ file, layer, target, dryRun }) {
    const scope = yield* scopeOf({ layer, target })
    yield* changeLayer(scope, { how: "replace", text: yield* readTorrc(file) }, dryRun)
  })
).pipe(
  Command.withDescription(
    "Replace one layer of torrc. What is refused is named by line and column, and nothing is stored then"
  ),
  Command.withExamples([
    { command: "patela torrc import ./torrc default", description: "For all relays" },
    { command: "patela torrc import - relay toma < toma.torrc", description: "For one relay, from stdin" },
    { command: "patela torrc import ./torrc default --dry-run", description: "Say what would change, by line" }
  ]),
  Command.provide(StoreServices)
)
