import { Cause, Console, Effect, Schema } from "effect"

/** The failures of a command that were already said: wrong usage by the help, others by whoever made them. */
const AlreadySaid = Schema.Struct({ _tag: Schema.Literals(["ShowHelp", "ExitWith"]) })

/** Says a command's failure on standard error: of an expected one what and why, of a defect all that is known. */
export const tellFailure = (command: string) => (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const error = Cause.squash(cause)
  if (Cause.hasInterruptsOnly(cause) || Schema.is(AlreadySaid)(error)) return Effect.void
  if (!Cause.hasDies(cause) && error instanceof Error) return Console.error(`${command}: ${error.message}`)
  return Console.error(`${command}: internal error, please report it\n${Cause.pretty(cause)}`)
}
