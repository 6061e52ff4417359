import { Command } from "effect/cli"
import { torrcDiff } from "./torrcDiff.ts"
import { torrcGet } from "./torrcGet.ts"
import { torrcImport } from "./torrcImport.ts"
import { torrcRemove } from "./torrcRemove.ts"
import { torrcSet } from "./torrcSet.ts"

export const torrc = Command.make("torrc").pipe(
  Command.withDescription("Layers of torrc: default, node, relay"),
  Command.withExamples([
    { command: "patela torrc import ./torrc default", description: "What every relay has" },
    { command: "patela torrc set node 5 NumCPUs 2", description: "One option for the relays of one node" }
  ]),
  Command.withSubcommands([torrcImport, torrcGet, torrcSet, torrcRemove, torrcDiff])
)
