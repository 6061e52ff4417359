import { Schema } from "effect"

/**
 * A quote does not prove what was asked. `field` is the first thing that is wrong, such as `TPMS_ATTEST.extraData` for a
 * wrong nonce or `TPMT_SIGNATURE.signatureS` for a wrong signature.
 */
export class QuoteRefused extends Schema.TaggedError<QuoteRefused>()("QuoteRefused", {
  field: Schema.String,
  message: Schema.String
}) {}
