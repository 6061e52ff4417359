import type { Effect } from "effect"
import type { CommandFailed, CommandFault } from "./Command.ts"

/** Plugs in the near end of a cable, a link that is there. */
export type CableIn = Effect.Effect<void, CommandFault | CommandFailed>
