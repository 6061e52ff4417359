import { Command } from "effect/cli"
import { signImage } from "./signImage.ts"

export const policy = Command.make("policy").pipe(
  Command.withDescription("What machines must have booted"),
  Command.withSubcommands([signImage])
)
