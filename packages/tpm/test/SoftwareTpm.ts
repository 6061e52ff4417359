import { createHash, generateKeyPairSync, sign } from "node:crypto"
import { attestationKeyTemplate } from "../src/identity/AttestationKey.ts"
import type { PcrSelection } from "../src/quote/PcrSelection.ts"
import { pcrDigestOf, type PcrValues } from "../src/quote/PcrValues.ts"
import { encodeQuoteAttestation, type QuoteAttestation } from "../src/quote/QuoteAttestation.ts"
import { encodeTpmtSignature } from "../src/quote/TpmtSignature.ts"
import { endorsementQualifiedName } from "../src/quote/verifyQuote.ts"
import { Algorithm, EccCurve } from "../src/structures/Algorithm.ts"
import type { TpmtPublic } from "../src/structures/TpmtPublic.ts"

const coordinate = (value: string | undefined): Uint8Array => new Uint8Array(Buffer.from(value ?? "", "base64url"))

/** The signing schemes that quotes come in. */
export type QuoteScheme = "ecdsa-p256" | "ecdsa-p384" | "rsassa"

const publicArea = (
  scheme: QuoteScheme,
  jwk: { readonly x?: string; readonly y?: string; readonly n?: string }
): TpmtPublic => {
  const { nameAlgorithm, attributes, symmetric } = attestationKeyTemplate
  const common = {
    nameAlgorithm: nameAlgorithm === Algorithm.sha384 ? Algorithm.sha384 : Algorithm.sha256,
    attributes,
    symmetric,
    authPolicy: new Uint8Array()
  }
  if (scheme === "rsassa") {
    const key = { keyBits: 2048, exponent: 0, modulus: coordinate(jwk.n) }
    return { type: Algorithm.rsa, ...common, scheme: { algorithm: Algorithm.rsassa, hash: Algorithm.sha256 }, ...key }
  }
  const p384 = scheme === "ecdsa-p384"
  return {
    type: Algorithm.ecc,
    ...common,
    scheme: { algorithm: Algorithm.ecdsa, hash: p384 ? Algorithm.sha384 : Algorithm.sha256 },
    curve: p384 ? EccCurve.p384 : EccCurve.p256,
    kdf: { algorithm: Algorithm.null },
    x: coordinate(jwk.x),
    y: coordinate(jwk.y)
  }
}

/** An attestation key whose secret is in memory, and the quotes that a TPM would sign with it. */
export const softwareTpm = (scheme: QuoteScheme = "ecdsa-p256") => {
  const pair = scheme === "rsassa"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: scheme === "ecdsa-p384" ? "P-384" : "P-256" })
  const key = publicArea(scheme, pair.publicKey.export({ format: "jwk" }))
  const hash = scheme === "ecdsa-p384" ? "sha384" : "sha256"

  /** A signature that says itself which hash it is over, which need not be the one of the key. */
  const signed = (attestation: Uint8Array, over: "sha256" | "sha384" = hash): Uint8Array => {
    const algorithm = over === "sha384" ? Algorithm.sha384 : Algorithm.sha256
    if (scheme === "rsassa") {
      const signature = new Uint8Array(sign(over, attestation, pair.privateKey))
      return encodeTpmtSignature({ algorithm: Algorithm.rsassa, hash: algorithm, signature })
    }
    const rs = new Uint8Array(sign(over, attestation, { key: pair.privateKey, dsaEncoding: "ieee-p1363" }))
    const [r, s] = [rs.subarray(0, rs.length / 2), rs.subarray(rs.length / 2)]
    return encodeTpmtSignature({ algorithm: Algorithm.ecdsa, hash: algorithm, r, s })
  }

  const quote = (input: {
    readonly nonce: Uint8Array
    readonly selection: PcrSelection
    readonly pcrValues: PcrValues
    readonly change?: Partial<QuoteAttestation>
  }) => {
    const pcrDigest = pcrDigestOf(hash, input.selection, input.pcrValues)
    if (!(pcrDigest instanceof Uint8Array)) throw new Error(`no value of PCR ${pcrDigest.pcr}`)
    const attestation = encodeQuoteAttestation({
      qualifiedSigner: endorsementQualifiedName(key),
      extraData: input.nonce,
      clockInfo: { clock: 0x1_0000_0001n, resetCount: 7, restartCount: 1, safe: true },
      firmwareVersion: 0x2019_1023_0016_3636n,
      selection: input.selection,
      pcrDigest,
      ...input.change
    })
    return { attestation, signature: signed(attestation) }
  }

  return { key, quote, signed }
}

/** Values for every PCR that is selected, each of its own. */
export const someValues = (selection: PcrSelection): PcrValues =>
  new Map(selection.map(({ hash, pcrs }) => [
    hash,
    new Map(pcrs.map((pcr) => {
      const name = hash === Algorithm.sha384 ? "sha384" : hash === Algorithm.sha1 ? "sha1" : "sha256"
      return [pcr, new Uint8Array(createHash(name).update(`pcr ${pcr}`).digest())]
    }))
  ]))
