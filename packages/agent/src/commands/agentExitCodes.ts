import { exitCodes } from "@patela/domain/command/exitCodes"
import { Cause, Exit, type Runtime } from "effect"
import { CliError } from "effect/cli"

/** As of both commands, but for `diff`: there 2 says that there are changes, so a wrong command line of it ends with 1. */
export const agentExitCodes: Runtime.Teardown = (exit, onExit) =>
  exitCodes(exit, (code) => {
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    const ofDiff = CliError.isCliError(error) && error._tag === "ShowHelp" && error.commandPath.includes("diff")
    onExit(ofDiff && code !== 0 ? 1 : code)
  })
