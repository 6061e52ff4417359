import { Result } from "effect"
import { createHash } from "node:crypto"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { bankName } from "../structures/HashAlgorithm.ts"
import { toHex } from "../structures/Hex.ts"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"
import { hashNameOf, nameOf } from "../structures/Name.ts"
import type { TpmtPublic } from "../structures/TpmtPublic.ts"
import { type PcrSelection, pcrSelectionText } from "./PcrSelection.ts"
import { pcrDigestOf, type PcrValues } from "./PcrValues.ts"
import { type ClockInfo, decodeQuoteAttestation } from "./QuoteAttestation.ts"
import { QuoteRefused } from "./QuoteRefused.ts"
import { decodeTpmtSignature } from "./TpmtSignature.ts"
import { verifySignature } from "./verifySignature.ts"

/** What a verified quote says. */
export interface Quote {
  readonly selection: PcrSelection
  /** The digest of the selected PCRs by the hash of the attestation key's scheme. */
  readonly pcrDigest: Uint8Array
  readonly clockInfo: ClockInfo
  readonly firmwareVersion: bigint
}

/** What the quoted PCRs are held against: their values, their digest, or nothing, which only learns the digest. */
export type ExpectedPcrs =
  | { readonly pcrValues: PcrValues }
  | { readonly pcrDigest: Uint8Array }
  | "any"

/** TPM_RH_ENDORSEMENT (TPM 2.0 part 2, 7.4), which is its own Name. */
const ENDORSEMENT = 0x4000_000b
/** TPMA_OBJECT: fixedTPM, restricted, sign; and decrypt, which must be clear (TPM 2.0 part 2, 8.3). */
const SIGNS_WHAT_THE_TPM_MADE = 0x0005_0002
const DECRYPT = 0x0002_0000

/**
 * The Qualified Name of a primary key of the endorsement hierarchy: nameAlg || H(name of the hierarchy || Name)
 * (TPM 2.0 part 1, 26.5). Patela's attestation key is one.
 */
export const endorsementQualifiedName = (key: TpmtPublic): Uint8Array => {
  const digest = createHash(hashNameOf(key.nameAlgorithm))
    .update(new ByteWriter().u32(ENDORSEMENT).bytes(nameOf(key)).done())
    .digest()
  return new ByteWriter().u16(key.nameAlgorithm).bytes(digest).done()
}

const same = (left: Uint8Array, right: Uint8Array): boolean => toHex(left) === toHex(right)

const refused = (field: string, message: string): Result.Result<never, QuoteRefused> =>
  Result.fail(new QuoteRefused({ field, message: `${field} ${message}` }))

const malformed = ({ field, message }: MalformedStructure): QuoteRefused => new QuoteRefused({ field, message })

const checkPcrs = (
  scheme: "sha1" | "sha256" | "sha384" | "sha512",
  selection: PcrSelection,
  quoted: Uint8Array,
  expected: ExpectedPcrs
): Result.Result<void, QuoteRefused> => {
  if (expected === "any") return Result.void
  const digest = "pcrDigest" in expected ? expected.pcrDigest : pcrDigestOf(scheme, selection, expected.pcrValues)
  if (!(digest instanceof Uint8Array)) {
    return refused("pcrValues", `has no value of the right length for PCR ${digest.pcr} of ${bankName(digest.hash)}`)
  }
  return same(digest, quoted)
    ? Result.void
    : refused("TPMS_ATTEST.attested.pcrDigest", `is ${toHex(quoted)}, expected ${toHex(digest)}`)
}

/**
 * Whether a quote (TPM2_Quote, TPM 2.0 part 3, 18.4) was made by the TPM of an attestation key, which must be a primary key
 * of the endorsement hierarchy, for this nonce and over exactly these PCRs. `attestation` is a TPMS_ATTEST and
 * `signature` a TPMT_SIGNATURE. The error names the first thing that is wrong.
 */
export const verifyQuote = (input: {
  readonly attestation: Uint8Array
  readonly signature: Uint8Array
  readonly attestationKey: TpmtPublic
  /** What the TPM was given as qualifying data, 1 to 64 bytes. */
  readonly nonce: Uint8Array
  readonly selection: PcrSelection
  readonly expected: ExpectedPcrs
}): Result.Result<Quote, QuoteRefused> =>
  Result.gen(function*() {
    const { attestationKey: key, nonce, selection } = input
    if ((key.attributes & (SIGNS_WHAT_THE_TPM_MADE | DECRYPT)) !== SIGNS_WHAT_THE_TPM_MADE) {
      yield* refused(
        "attestationKey.objectAttributes",
        "are not those of a restricted signing key that cannot leave its TPM"
      )
    }
    if (nonce.length === 0) yield* refused("nonce", "is empty: any old quote would do")
    const attestation = yield* Result.mapError(decodeQuoteAttestation(input.attestation), malformed)
    const signature = yield* Result.mapError(decodeTpmtSignature(input.signature), malformed)
    if (!same(attestation.qualifiedSigner, endorsementQualifiedName(key))) {
      yield* refused("TPMS_ATTEST.qualifiedSigner", "names another key than the attestation key of this node")
    }
    const hash = yield* verifySignature(key, input.attestation, signature)
    if (!same(attestation.extraData, nonce)) {
      yield* refused("TPMS_ATTEST.extraData", "is not the nonce that was asked for: the quote is of another challenge")
    }
    const quoted = pcrSelectionText(attestation.selection)
    if (quoted !== pcrSelectionText(selection)) {
      yield* refused("TPMS_ATTEST.attested.pcrSelect", `is ${quoted}, expected ${pcrSelectionText(selection)}`)
    }
    yield* checkPcrs(hash.name, selection, attestation.pcrDigest, input.expected)
    const { clockInfo, firmwareVersion, pcrDigest } = attestation
    return { selection, pcrDigest, clockInfo, firmwareVersion }
  })
