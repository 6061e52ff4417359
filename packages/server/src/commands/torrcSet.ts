import { Argument, Command } from "effect/cli"
import { changeLayer } from "./torrcChange.ts"
import { dryRunFlag, overLayers } from "./torrcLayer.ts"

const own = {
  option: Argument.String("option").pipe(
    Argument.withDescription("As in a torrc; +Option adds to the layers below, /Option clears them and has no value")
  ),
  values: Argument.String("value").pipe(
    Argument.withDescription("Its value; of an option that repeats, one for each of its lines, in order"),
    Argument.variadic()
  ),
  dryRun: dryRunFlag
}

export const torrcSet = Command.make("set").pipe(
  Command.withDescription("Set one option in a layer of torrc, in the place of all its lines there"),
  Command.withExamples([
    { command: "patela torrc set default ExitPolicy 'accept *:443' 'reject *:*'", description: "Two lines, in order" },
    { command: "patela torrc set node 5 RelayBandwidthRate '20 MBytes'", description: "For the relays of node 5" },
    {
      command: "patela torrc set relay toma +ExitPolicy 'accept *:80'",
      description: "Beside what the layers below say"
    }
  ]),
  Command.withSubcommands(
    overLayers(own, {
      command: "set",
      description: "Set one option in the torrc",
      example: ["ExitPolicy 'accept *:443' 'reject *:*'", "Two lines, in order, in the place of all that were there"]
    }, (scope, { option, values, dryRun }) => changeLayer(scope, { how: "set", option, values }, dryRun))
  )
)
