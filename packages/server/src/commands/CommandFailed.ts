import { Schema } from "effect"

/** A command cannot do what was asked; the message says why and what to do. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", { message: Schema.String }) {}
