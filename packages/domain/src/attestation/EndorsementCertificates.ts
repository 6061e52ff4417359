import { Schema } from "effect"
import { hexBytes } from "./HexBytes.ts"

/** Most bytes of one certificate; those of endorsement keys have 1 to 2 KiB. */
export const MAX_CERTIFICATE = 8192

/** Most intermediates that a node may send; vendors have one or two. */
export const MAX_INTERMEDIATES = 8

/**
 * The certificate of a node's endorsement key and what its TPM has of the chain to the vendor's root, each as DER (TCG
 * EK Credential Profile). The root is never sent: it is the operator's.
 */
export const EndorsementCertificates = Schema.Struct({
  certificate: hexBytes(MAX_CERTIFICATE),
  intermediates: Schema.Array(hexBytes(MAX_CERTIFICATE)).pipe(Schema.check(Schema.isMaxLength(MAX_INTERMEDIATES)))
})
export type EndorsementCertificates = typeof EndorsementCertificates.Type
