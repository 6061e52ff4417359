import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import { Redacted, Result, Schema } from "effect"
import { createHash, generateKeyPairSync } from "node:crypto"
import {
  fingerprintsOf,
  identityDigest,
  identityFromBytes,
  identityFromKeyFiles,
  keyFilesOf,
  type RelayIdentity
} from "../src/identity/RelayIdentity.ts"
import { textsOf } from "./Overheard.ts"

/** RFC 8032, section 5.1.5: what tor keeps of an ed25519 key is the hash of its seed, clamped. */
export const expanded = (seed: Uint8Array): Uint8Array => {
  const hash = createHash("sha512").update(seed).digest()
  hash[0] = (hash[0] ?? 0) & 0xf8
  hash[31] = ((hash[31] ?? 0) & 0x7f) | 0x40
  return hash
}

/** Key files as tor would make them, and the point that OpenSSL derives from the ed25519 seed. */
export const newKeyFiles = () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 })
  const ed25519 = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })
  const seed = Buffer.from(ed25519.d ?? "", "base64url")
  return {
    publicPoint: Buffer.from(ed25519.x ?? "", "base64url"),
    files: {
      ed25519: Redacted.make<Uint8Array>(
        Buffer.concat([Buffer.from("== ed25519v1-secret: type0 ==\0\0\0"), expanded(seed)])
      ),
      rsa: Redacted.make<Uint8Array>(Buffer.from(`${privateKey.export({ type: "pkcs1", format: "pem" })}\0`))
    }
  }
}

const newIdentity = (): RelayIdentity => Result.getOrThrow(identityFromKeyFiles(newKeyFiles().files))

const IDENTITIES = Array.from({ length: 8 }, newIdentity)

/** Which of four identities. */
export const Pick = Schema.Literals([0, 1, 2, 3])

export const identityAt = (index: number): RelayIdentity => IDENTITIES[index] ?? newIdentity()

const known = new Map<string, Fingerprints>()

/** `fingerprintsOf`, which takes milliseconds, once an identity. */
export const knownFingerprints = (identity: RelayIdentity): Fingerprints => {
  const digest = identityDigest(identity)
  const fingerprints = known.get(digest) ?? fingerprintsOf(identity)
  known.set(digest, fingerprints)
  return fingerprints
}

/** Runs of a property over whole worlds of relays: the kinds compute fingerprints in every pass. */
export const IDENTITY_RUNS = { arbitrary: { runs: 50 } }

/** The one that tor makes for the relay in this slot, below 4: none of those that `Pick` picks. */
export const mintedAt = (slot: number): RelayIdentity => identityAt(4 + slot)

/** Where the ed25519 part ends and the RSA part begins (RelayIdentity.ts). */
const ED25519_BYTES = 64

export const partsOf = (identity: RelayIdentity) => {
  const bytes = Redacted.value(identity)
  return { ed25519: bytes.slice(0, ED25519_BYTES), rsa: bytes.slice(ED25519_BYTES) }
}
export type Parts = ReturnType<typeof partsOf>

export const joined = ({ ed25519, rsa }: Parts): RelayIdentity =>
  Result.getOrThrow(identityFromBytes(Buffer.concat([ed25519, rsa])))

/** Every text that would give one of these identities away: of each secret number, and of each line of a key file. */
export const secretTextsOf = (identities: ReadonlyArray<RelayIdentity>): ReadonlyArray<string> =>
  identities.flatMap((identity) => {
    const { ed25519, rsa } = partsOf(identity)
    const numbers = [ed25519.slice(0, 32), ed25519.slice(32), rsa.slice(0, 64), rsa.slice(64)]
    const lines = Buffer.from(Redacted.value(keyFilesOf(identity).rsa)).toString("latin1").split("\n")
    return [...numbers.flatMap(textsOf), ...lines.filter((line) => line.length > 30 && !line.startsWith("-"))]
  })

export const ALL_SECRETS = secretTextsOf(IDENTITIES)
