import { Redacted, Result } from "effect"
import { createHash } from "node:crypto"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { toHex } from "../structures/Hex.ts"
import { UnstorableKeys } from "./KeyStoreError.ts"

/** Secret bytes of one relay: 64 of its ed25519 key, 64 and 64 of the primes of its RSA key. */
export const SECRET_BYTES = 192
const TAG_BYTES = 4
/** Bytes that one relay takes in the store. */
export const RELAY_BYTES = TAG_BYTES + SECRET_BYTES

/**
 * What is saved: the 192 secret bytes of each relay under a tag that stands for its name, 8 lower-case hex digits. Who
 * makes the tags sees to it that no two relays share one.
 */
export type RelaySecrets = ReadonlyMap<string, Redacted.Redacted<Uint8Array>>

/** The payload and what identifies it. */
export interface Payload {
  readonly bytes: Uint8Array
  readonly count: number
  /** SHA-256 of the payload, lower-case hex. */
  readonly digest: string
}

export const digestOfPayload = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/**
 * Tag and secret of every relay, in the order of the tags, so that the order of the entries makes no difference.
 * Refused: a secret of another length, and a tag that is none.
 */
export const payloadOf = (entries: RelaySecrets): Result.Result<Payload, UnstorableKeys> => {
  const writer = new ByteWriter()
  for (const [tag, secret] of [...entries].sort(([one], [other]) => (one < other ? -1 : 1))) {
    if (!/^[0-9a-f]{8}$/.test(tag)) {
      return Result.fail(new UnstorableKeys({ tag, message: `The tag ${tag} is not 8 lower-case hex digits.` }))
    }
    const size = Redacted.value(secret).length
    if (size !== SECRET_BYTES) {
      return Result.fail(
        new UnstorableKeys({
          tag,
          message: `The secret under tag ${tag} is ${size} bytes long, expected ${SECRET_BYTES}.`
        })
      )
    }
    writer.u32(Number.parseInt(tag, 16)).bytes(Redacted.value(secret))
  }
  const bytes = writer.done()
  return Result.succeed({ bytes, count: entries.size, digest: digestOfPayload(bytes) })
}

/** The secrets of a payload by tag. The length was checked against the header's. */
export const secretsIn = (payload: Uint8Array): RelaySecrets => {
  const secrets = new Map<string, Redacted.Redacted<Uint8Array>>()
  for (let at = 0; at + RELAY_BYTES <= payload.length; at += RELAY_BYTES) {
    const secret = payload.slice(at + TAG_BYTES, at + RELAY_BYTES)
    secrets.set(toHex(payload.subarray(at, at + TAG_BYTES)), Redacted.make(secret, { label: "relay identity" }))
  }
  return secrets
}
