import { MAX_INTERMEDIATES } from "@patela/domain/attestation/EndorsementCertificates"
import { Result } from "effect"
import type { EndorsementKey } from "../identity/EndorsementKey.ts"
import { type Certificate, decodeCertificate } from "./Certificate.ts"
import { CertificateRefused } from "./CertificateRefused.ts"
import { checkEndorsementCertificate, type Named, refused } from "./checkCertificate.ts"
import { findChain } from "./findChain.ts"
import type { TpmNames } from "./TpmNames.ts"

/** A certificate that proves whose TPM an endorsement key is in. */
export interface VerifiedEndorsementCertificate {
  readonly tpm: TpmNames
  readonly certificate: Certificate
  /** The issuers, the root last. */
  readonly chain: ReadonlyArray<Certificate>
}

const decoded = (name: string, der: Uint8Array): Result.Result<Named, CertificateRefused> =>
  decodeCertificate(der, name).pipe(
    Result.map((certificate) => ({ name, certificate })),
    Result.mapError(({ message }) => new CertificateRefused({ certificate: name, fact: "malformed", message }))
  )

/**
 * Whether a certificate proves that an endorsement key is in a TPM of a vendor whose root is given (TCG EK Credential
 * Profile, "EK Certificate"; path validation of RFC 5280, 6.1, without policies and name constraints: a certificate
 * that demands either by a critical extension is refused). Revocation is not looked up. The roots are the operator's and
 * are checked like other authorities, their validity included; everything else comes from the node and is DER with no
 * byte before or after. `now` is in Unix milliseconds.
 */
export const verifyEndorsementCertificate = (input: {
  readonly certificate: Uint8Array
  readonly intermediates: ReadonlyArray<Uint8Array>
  readonly roots: ReadonlyArray<Certificate>
  readonly endorsementKey: EndorsementKey
  readonly now: number
}): Result.Result<VerifiedEndorsementCertificate, CertificateRefused> =>
  Result.gen(function*() {
    const { endorsementKey, now } = input
    const leaf = yield* decoded("endorsement certificate", input.certificate)
    if (input.intermediates.length > MAX_INTERMEDIATES) {
      yield* refused(leaf, "too-many", `comes with more than ${MAX_INTERMEDIATES} intermediates.`)
    }
    const tpm = yield* checkEndorsementCertificate(leaf, endorsementKey, now)
    const intermediates: Array<Named> = []
    for (const [at, der] of input.intermediates.entries()) intermediates.push(yield* decoded(`intermediate ${at}`, der))
    const roots = input.roots.map((certificate, at) => ({ name: `root ${at}`, certificate }))
    const chain = yield* findChain({ leaf, intermediates, roots, now })
    return { tpm, certificate: leaf.certificate, chain: chain.map(({ certificate }) => certificate) }
  })
