import { Command } from "effect/cli"
import { Diff } from "./Diff.ts"
import { Net } from "./Net.ts"
import { Reconcile } from "./Reconcile.ts"
import { TpmCommand } from "./TpmCommand.ts"

/** The command `patela-agent`. */
export const PatelaAgent = Command.make("patela-agent").pipe(
  Command.withDescription("Makes this host run the relays that a Patela server says it should"),
  Command.withSubcommands([Reconcile, Diff, TpmCommand, Net])
)
