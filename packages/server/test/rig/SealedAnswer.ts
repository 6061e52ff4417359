import { Schema } from "effect"

/** What an enabled machine is answered, as far as tests look at it: a token under its credential. */
export const SealedAnswer = Schema.Struct({
  challenge: Schema.String,
  blob: Schema.String,
  secret: Schema.String,
  token: Schema.String,
  expires_at: Schema.Int,
  token_life: Schema.Int,
  first: Schema.Boolean,
  boot: Schema.optionalKey(Schema.Unknown)
})

/** The same as the text of the answer. */
export const SealedText = Schema.fromJsonString(SealedAnswer)
