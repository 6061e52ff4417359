import { Schema } from "effect"

/**
 * The event log does not lead to the PCR values that the TPM quoted: something was measured that the log does not tell,
 * or the log is not of this boot. `hash` is the TPM_ALG_ID of the bank; values are hex.
 */
export class EventLogDisagrees extends Schema.TaggedError<EventLogDisagrees>()("EventLogDisagrees", {
  hash: Schema.Int,
  pcr: Schema.Int,
  replayed: Schema.String,
  quoted: Schema.String,
  message: Schema.String
}) {}
