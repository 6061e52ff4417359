import { Cause, Exit, Runtime } from "effect"
import { CliError } from "effect/cli"

let terminated = false
// SIGTERM is how a service manager ends the server, so ending by it is success; ^C stays what it is.
process.once("SIGTERM", () => {
  terminated = true
})

/** Exit codes: 0 done, 1 failed, 2 the command line was wrong, 130 interrupted. */
export const teardown: Runtime.Teardown = (exit, onExit) => {
  if (Exit.isSuccess(exit)) return onExit(0)
  if (Cause.hasInterruptsOnly(exit.cause) && terminated) return onExit(0)
  const error = Cause.squash(exit.cause)
  if (CliError.isCliError(error) && error._tag === "ShowHelp") return onExit(error.errors.length > 0 ? 2 : 0)
  return Runtime.defaultTeardown(exit, onExit)
}
