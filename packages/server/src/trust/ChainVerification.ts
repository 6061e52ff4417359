import type { EndorsementKey } from "@patela/tpm/identity/EndorsementKey"
import { Context, Result } from "effect"

/** What is verified: DER certificates, of which only the roots are trusted, and the time in Unix milliseconds. */
export interface ChainInput {
  readonly certificate: Uint8Array
  readonly intermediates: ReadonlyArray<Uint8Array>
  readonly roots: ReadonlyArray<Uint8Array>
  readonly endorsementKey: EndorsementKey
  readonly now: number
}

/** The root, DER, that the chain ends at; or why there is no such chain, or the certificate is not of that key. */
export type VerifyChain = (
  input: ChainInput
) => Result.Result<{ readonly root: Uint8Array }, { readonly message: string }>

// HERE the verification of chains is plugged in (packages/tpm/src/certificate/verifyEndorsementCertificate.ts), as the
// default of this reference. Until then no certificate is believed, so no node is certified.
const notYet: VerifyChain = () =>
  Result.fail({ message: "this server cannot verify certificates of endorsement keys yet" })

/** Verifies that a vendor's certificate says that an endorsement key is in a TPM. Pure. */
export const ChainVerification = Context.Reference<VerifyChain>("@patela/server/trust/ChainVerification", {
  defaultValue: () => notYet
})
