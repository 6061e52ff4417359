import type { Effect } from "effect"
import type { CommandFailed, CommandFault } from "./Command.ts"

/** Sets up one end of a cable that is plugged in: its addresses, then up. */
export type CableIn = Effect.Effect<void, CommandFault | CommandFailed>
