import { Effect, Schema } from "effect"
import { createCipheriv, createHmac, createSecretKey } from "node:crypto"
import { Algorithm, EccCurve } from "../structures/Algorithm.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { hashNameOf } from "../structures/Name.ts"
import type { TpmtPublic } from "../structures/TpmtPublic.ts"
import { kdfA } from "./kdf.ts"
import { secretFor } from "./secretFor.ts"

/** A credential cannot be made of these values. `field` names the wrong one. */
export class CredentialRefused extends Schema.TaggedError<CredentialRefused>()("CredentialRefused", {
  field: Schema.String,
  message: Schema.String
}) {}

/** What `tpm2_activatecredential` needs: both begin with their own 16-bit size. */
export interface Credential {
  /** TPM2B_ID_OBJECT (TPM 2.0 part 2, 12.4.3). */
  readonly blob: Uint8Array
  /** TPM2B_ENCRYPTED_SECRET (TPM 2.0 part 2, 11.4.3). */
  readonly secret: Uint8Array
}

/** Bytes of the longest credential that every template carries: the size of SHA-256. */
const MAX_CREDENTIAL = 32

/**
 * The TPM2B_ID_OBJECT of a credential under a seed: AES-CFB with a zero IV over the sized credential, and an HMAC over
 * that and the Name (TPM 2.0 part 1, 24.4 and 24.5). Deterministic, for known answers.
 */
export const protectCredential = (input: {
  readonly hash: "sha256" | "sha384"
  readonly keyBits: 128 | 256
  readonly seed: Uint8Array
  readonly akName: Uint8Array
  readonly credential: Uint8Array
}): Uint8Array => {
  const { hash, keyBits, seed, akName, credential } = input
  const none = new Uint8Array()
  // Keys as KeyObjects, which Node takes three times as fast.
  const cipherKey = createSecretKey(kdfA(hash, seed, "STORAGE", akName, none, keyBits))
  const cipher = createCipheriv(keyBits === 128 ? "aes-128-cfb" : "aes-256-cfb", cipherKey, new Uint8Array(16))
  const identity = new ByteWriter()
    .bytes(cipher.update(new ByteWriter().sized(credential).done()))
    .bytes(cipher.final())
    .done()
  const hmacKey = createSecretKey(kdfA(hash, seed, "INTEGRITY", none, none, hash === "sha256" ? 256 : 384))
  const integrity = createHmac(hash, hmacKey).update(identity).update(akName).digest()
  return new ByteWriter().sized(new ByteWriter().sized(integrity).bytes(identity).done()).done()
}

const keyBitsOf = (key: TpmtPublic): 128 | 256 | undefined => {
  if (!("mode" in key.symmetric) || key.symmetric.mode !== Algorithm.cfb) return undefined
  return key.symmetric.keyBits === 128 ? 128 : key.symmetric.keyBits === 256 ? 256 : undefined
}

const refused = (field: string, message: string): CredentialRefused => new CredentialRefused({ field, message })

/**
 * TPM2_MakeCredential without a TPM (TPM 2.0 part 3, 12.6; part 1, 24): wraps 1 to 32 bytes so that only the TPM that
 * holds the endorsement key, and in it an object of that Name, can open them. Each call makes a new seed.
 */
export const makeCredential = Effect.fnUntraced(function*(input: {
  readonly endorsementKey: TpmtPublic
  readonly akName: Uint8Array
  readonly credential: Uint8Array
}): Effect.fn.Return<Credential, CredentialRefused> {
  const { endorsementKey: key, akName, credential } = input
  if (credential.length === 0 || credential.length > MAX_CREDENTIAL) {
    return yield* refused("credential", `is ${credential.length} bytes long, expected 1 to ${MAX_CREDENTIAL}`)
  }
  if (akName.length !== 34 && akName.length !== 50) {
    return yield* refused("akName", `is ${akName.length} bytes long, expected 34 (SHA-256) or 50 (SHA-384)`)
  }
  const keyBits = keyBitsOf(key)
  if (keyBits === undefined) {
    return yield* refused("endorsementKey.symmetric", "expected AES of 128 or 256 bits in CFB mode")
  }
  if (key.type === Algorithm.ecc && key.curve !== EccCurve.p256 && key.curve !== EccCurve.p384) {
    return yield* refused("endorsementKey.curve", `curve 0x${key.curve.toString(16)} is neither P-256 nor P-384`)
  }
  const { encrypted, secret: seed } = yield* Effect.try({
    try: () => secretFor(key, "IDENTITY"),
    // The text of the cause stays out: it may come from a library and adds nothing to act on.
    catch: () => refused("endorsementKey.unique", "is not a usable public key of its type")
  })
  const blob = protectCredential({ hash: hashNameOf(key.nameAlgorithm), keyBits, seed, akName, credential })
  return { blob, secret: new ByteWriter().sized(encrypted).done() }
})
