import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, Effect, Schema } from "effect"
import { CliOutput, Command } from "effect/cli"
import { audit } from "./audit.ts"
import { keygen } from "./keygen.ts"
import { list } from "./list.ts"
import { network } from "./network.ts"
import { node } from "./node.ts"
import { enable } from "./nodeState.ts"
import { run } from "./run.ts"
import { torrc } from "./torrc.ts"

const root = Command.make("patela").pipe(
  Command.withDescription(
    "The server of Patela: configures machines that run Tor relays. DATABASE_URL=sqlite:PATH says where its data is"
  ),
  Command.withSubcommands([run, list, enable, node, network, torrc, audit, keygen])
)

/** Usage errors were shown with the help already; of every other failure a person reads what and why, not the stack. */
const tell = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  if (Cause.hasInterruptsOnly(cause) || (Schema.is(Schema.Struct({ _tag: Schema.Literal("ShowHelp") }))(error))) {
    return Effect.void
  }
  if (!Cause.hasDies(cause) && error instanceof Error) return Console.error(`patela: ${error.message}`)
  return Console.error(`patela: internal error, please report it\n${Cause.pretty(cause)}`)
}

/** A wrong command line is answered with what is wrong, on stderr, and where the help is; not with all of the help. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
        [
          ...event.errors.map(({ message }) => `patela: ${message}`),
          `Usage: ${event.helpDoc.usage}`,
          `Help: ${event.commandPath.join(" ")} --help`
        ].join("\n")
      )
      : CliOutput.defaultPresenter.present(event)
})

/** The command `patela`, with the arguments of this process. */
export const patela = root.pipe(
  Command.run({ version: "0.1.0" }),
  Effect.tapCause(tell),
  Effect.provide([NodeServices.layer, presenter])
)
