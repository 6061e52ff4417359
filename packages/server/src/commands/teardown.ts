import { exitCodes } from "@patela/domain/command/exitCodes"
import { Cause, Exit, type Runtime } from "effect"

let terminated = false
// SIGTERM is how a service manager ends the server, so ending by it is success; ^C stays what it is.
process.once("SIGTERM", () => {
  terminated = true
})

/** As for every command, and 0 where the server was told to end. */
export const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) && terminated ? onExit(0) : exitCodes(exit, onExit)
