import { Argument, Command } from "effect/cli"
import { changeLayer } from "./torrcChange.ts"
import { dryRunFlag, overLayers } from "./torrcLayer.ts"

const own = {
  option: Argument.String("option").pipe(Argument.withDescription("As in a torrc")),
  dryRun: dryRunFlag
}

export const torrcRemove = Command.make("remove").pipe(
  Command.withDescription("Take all lines of one option out of a layer of torrc; what other layers say of it stays"),
  Command.withExamples([
    { command: "patela torrc remove default ExitPolicy", description: "For all relays" },
    { command: "patela torrc remove relay toma NumCPUs --dry-run", description: "Say what would change" }
  ]),
  Command.withSubcommands(
    overLayers(own, {
      command: "remove",
      description: "Take all lines of one option out of the torrc",
      example: ["ExitPolicy", "What the other layers say of it stays"]
    }, (scope, { option, dryRun }) => changeLayer(scope, { how: "remove", option }, dryRun))
  )
)
