import { Schema } from "effect"

/** A database cannot be transferred. Nothing of it is in the other one, and it is as it was. */
export class TransferFailed
  extends Schema.TaggedError<TransferFailed>()("TransferFailed", { message: Schema.String })
{}
