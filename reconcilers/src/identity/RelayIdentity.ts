import { publicPointOf } from "@patela/domain/relay/Edwards25519"
import { Ed25519Fingerprint, Fingerprints, RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import { Redacted, Result, Schema } from "effect"
import { createHash } from "node:crypto"
import { decodeRsaKeyFile, encodeRsaKeyFile, PRIME_BYTES, rsaFingerprintOf, type RsaPrimes } from "./RsaKeyFile.ts"

/**
 * The secrets that make a relay the relay it is: 192 bytes. First the expanded ed25519 master secret (64: the scalar,
 * least significant byte first, then the prefix; RFC 8032, section 5.1.5), then the RSA primes p and q (64 each, most
 * significant byte first, p > q). Both public identities and both key files derive from them.
 */
export type RelayIdentity = Redacted.Redacted<Uint8Array>

export const IDENTITY_BYTES = 192
const ED25519_BYTES = 64

/** The two files in a relay's `keys` directory, and what is in them. */
export interface KeyFiles {
  readonly ed25519: Redacted.Redacted<Uint8Array>
  readonly rsa: Redacted.Redacted<Uint8Array>
}

/** Names within the relay's `keys` directory (tor manual, FILES). */
export const KEY_FILE_NAMES = { ed25519: "ed25519_master_id_secret_key", rsa: "secret_id_key" } as const

/** Bytes do not make an identity. `message` says why, and holds none of them. */
export class NotAnIdentity extends Schema.TaggedError<NotAnIdentity>()("NotAnIdentity", {
  message: Schema.String
}) {}

/** The 32 bytes in front of the key in tor's file (tor source, crypto_ed25519.c: tag `type0`). */
const ED25519_HEADER = Buffer.from("== ed25519v1-secret: type0 ==\0\0\0", "latin1")

const refusal = (message: string): Result.Result<never, NotAnIdentity> => Result.fail(new NotAnIdentity({ message }))

/** From the 192 bytes. They are checked, and copied. */
export const identityFromBytes = (bytes: Uint8Array): Result.Result<RelayIdentity, NotAnIdentity> => {
  if (bytes.length !== IDENTITY_BYTES) return refusal(`an identity is ${IDENTITY_BYTES} bytes, not ${bytes.length}`)
  const first = bytes[0] ?? 0
  const last = bytes[31] ?? 0
  if ((first & 7) !== 0 || (last & 0xc0) !== 0x40) return refusal("the ed25519 part is no expanded secret")
  const { p, q } = primesIn(bytes)
  if (p <= q || (p & q & 1n) !== 1n || q >> 504n === 0n) return refusal("the RSA part is not a pair of primes")
  return Result.succeed(Redacted.make(Uint8Array.from(bytes), { label: "RelayIdentity" }))
}

/** From the two key files. */
export const identityFromKeyFiles = (files: KeyFiles): Result.Result<RelayIdentity, NotAnIdentity> => {
  const ed25519 = Buffer.from(Redacted.value(files.ed25519))
  const header = ed25519.subarray(0, ED25519_HEADER.length)
  if (ed25519.length !== ED25519_HEADER.length + ED25519_BYTES || !header.equals(ED25519_HEADER)) {
    return refusal(`${KEY_FILE_NAMES.ed25519}: it is no ed25519 secret as tor writes one`)
  }
  const primes = decodeRsaKeyFile(Redacted.value(files.rsa))
  if (Result.isFailure(primes)) return refusal(`${KEY_FILE_NAMES.rsa}: ${primes.failure}`)
  return identityFromBytes(
    Buffer.concat([
      ed25519.subarray(ED25519_HEADER.length),
      primeBytes(primes.success.p),
      primeBytes(primes.success.q)
    ])
  )
}

/** Both key files, byte for byte as tor wrote them. */
export const keyFilesOf = (identity: RelayIdentity): KeyFiles => {
  const bytes = Redacted.value(identity)
  return {
    ed25519: Redacted.make<Uint8Array>(Buffer.concat([ED25519_HEADER, bytes.subarray(0, ED25519_BYTES)])),
    rsa: Redacted.make(encodeRsaKeyFile(primesIn(bytes)))
  }
}

/** What was computed before, by `identityDigest`: nothing secret stands in it, and a node has few identities. */
const computed = new Map<string, Fingerprints>()

/** Both public identities. The first time it takes some milliseconds: see Edwards25519.ts. */
export const fingerprintsOf = (identity: RelayIdentity): Fingerprints => {
  const digest = identityDigest(identity)
  const before = computed.get(digest)
  if (before !== undefined) return before
  const bytes = Redacted.value(identity)
  const point = publicPointOf(bytes.subarray(0, 32))
  const fingerprints = Fingerprints.make({
    rsa: RsaFingerprint.make(rsaFingerprintOf(primesIn(bytes))),
    ed25519: Ed25519Fingerprint.make(Buffer.from(point).toString("base64").replace(/=+$/, ""))
  })
  computed.set(digest, fingerprints)
  return fingerprints
}

/** SHA-256 of the secret bytes, as hex: tells identities apart, and gives none away, for they are random. */
export const identityDigest = (identity: RelayIdentity): string =>
  createHash("sha256").update(Redacted.value(identity)).digest("hex")

const primesIn = (bytes: Uint8Array): RsaPrimes => ({
  p: numberFrom(bytes.subarray(ED25519_BYTES, ED25519_BYTES + PRIME_BYTES)),
  q: numberFrom(bytes.subarray(ED25519_BYTES + PRIME_BYTES))
})

const numberFrom = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`)

const primeBytes = (prime: bigint): Buffer => Buffer.from(prime.toString(16).padStart(PRIME_BYTES * 2, "0"), "hex")
