import * as NodeServices from "@effect/platform-node/NodeServices"
import { tellFailure } from "@patela/domain/command/tellFailure"
import { usagePresenter } from "@patela/domain/command/usagePresenter"
import { Effect, Logger } from "effect"
import { Command } from "effect/cli"
import { VERSION } from "../Version.ts"
import { Diff } from "./Diff.ts"
import { JournalLogger } from "./JournalLogger.ts"
import { Net } from "./Net.ts"
import { Reconcile } from "./Reconcile.ts"
import { ShowConfig } from "./ShowConfig.ts"
import { Status } from "./Status.ts"
import { TpmCommand } from "./TpmCommand.ts"

const root = Command.make("patela-agent").pipe(
  Command.withDescription("Makes this host run the relays that a Patela server says it should"),
  Command.withSubcommands([Reconcile, Diff, Status, ShowConfig, TpmCommand, Net])
)

/** The command `patela-agent`, with the arguments of this process. */
export const PatelaAgent: Effect.Effect<void, unknown> = root.pipe(
  Command.run({ version: VERSION }),
  Effect.tapCause(tellFailure("patela-agent")),
  Effect.provide([NodeServices.layer, usagePresenter("patela-agent"), Logger.layer([JournalLogger])])
)
