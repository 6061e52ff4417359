import type { Certificate } from "@patela/tpm/certificate/Certificate"
import { verifyEndorsementCertificate } from "@patela/tpm/certificate/verifyEndorsementCertificate"
import type { EndorsementKey } from "@patela/tpm/identity/EndorsementKey"
import { Context, Result } from "effect"

/** What is verified: DER certificates, of which only the roots are trusted, and the time in Unix milliseconds. */
export interface ChainInput {
  readonly certificate: Uint8Array
  readonly intermediates: ReadonlyArray<Uint8Array>
  readonly roots: ReadonlyArray<Certificate>
  readonly endorsementKey: EndorsementKey
  readonly now: number
}

/** The root, DER, that the chain ends at; or why there is no such chain, or the certificate is not of that key. */
export type VerifyChain = (
  input: ChainInput
) => Result.Result<{ readonly root: Uint8Array }, { readonly message: string }>

const verifyChain: VerifyChain = (input) =>
  Result.flatMap(verifyEndorsementCertificate(input), ({ chain }) => {
    const root = chain.at(-1)
    return root === undefined
      ? Result.fail({ message: "no root vouches for the endorsement certificate." })
      : Result.succeed({ root: root.der })
  })

/** Verifies that a vendor's certificate says that an endorsement key is in a TPM. Pure. */
export const ChainVerification = Context.Reference<VerifyChain>("@patela/server/trust/ChainVerification", {
  defaultValue: () => verifyChain
})
