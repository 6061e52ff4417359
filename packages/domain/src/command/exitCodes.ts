import { Cause, Exit, Runtime } from "effect"
import { CliError } from "effect/cli"

/** Exit codes of both commands: 0 done, 1 failed, 2 the command line was wrong, 130 interrupted, or the error's own. */
export const exitCodes: Runtime.Teardown = (exit, onExit) => {
  if (Exit.isSuccess(exit)) return onExit(0)
  const error = Cause.squash(exit.cause)
  if (CliError.isCliError(error) && error._tag === "ShowHelp") return onExit(error.errors.length > 0 ? 2 : 0)
  return Runtime.defaultTeardown(exit, onExit)
}
