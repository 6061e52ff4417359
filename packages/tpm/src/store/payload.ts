import { Redacted, Result } from "effect"
import { createHash } from "node:crypto"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { toHex } from "../structures/Hex.ts"
import { UnstorableKeys } from "./KeyStoreError.ts"

/** Secret bytes of one relay: 64 of its ed25519 key, 64 and 64 of the primes of its RSA key. */
export const SECRET_BYTES = 192
/** Secret bytes of a family of relays: its ed25519 key. */
export const FAMILY_SECRET_BYTES = 64
const TAG_BYTES = 4
/** Bytes that one relay takes in the store. */
export const RELAY_BYTES = TAG_BYTES + SECRET_BYTES
/** Bytes that one family takes in it. */
export const FAMILY_BYTES = TAG_BYTES + FAMILY_SECRET_BYTES
/** More families than this are not saved: a length tells how many there are. */
export const FAMILIES_MAX = 8

/**
 * What is saved: the secret bytes of each relay and family under a tag that stands for it, 8 lower-case hex digits; how
 * many bytes they are says which of the two it is. Who makes the tags sees to it that no two entries share one.
 */
export type RelaySecrets = ReadonlyMap<string, Redacted.Redacted<Uint8Array>>

/** The payload and what identifies it. `count` is of relays. */
export interface Payload {
  readonly bytes: Uint8Array
  readonly count: number
  readonly families: number
  /** SHA-256 of the payload, lower-case hex. */
  readonly digest: string
}

export const digestOfPayload = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const sizeOf = (secret: Redacted.Redacted<Uint8Array>): number => Redacted.value(secret).length

/**
 * Tag and secret of every relay and then of every family, each in the order of the tags, so that the order of the entries
 * makes no difference. Refused: a secret of another length, a tag that is none, and too many families.
 */
export const payloadOf = (entries: RelaySecrets): Result.Result<Payload, UnstorableKeys> => {
  const writer = new ByteWriter()
  const sorted = [...entries].sort(([one, its], [other, others]) =>
    sizeOf(others) - sizeOf(its) || (one < other ? -1 : 1)
  )
  for (const [tag, secret] of sorted) {
    if (!/^[0-9a-f]{8}$/.test(tag)) {
      return Result.fail(new UnstorableKeys({ tag, message: `The tag ${tag} is not 8 lower-case hex digits.` }))
    }
    const size = sizeOf(secret)
    if (size !== SECRET_BYTES && size !== FAMILY_SECRET_BYTES) {
      return Result.fail(
        new UnstorableKeys({
          tag,
          message: `The secret under tag ${tag} is ${size} bytes long, expected ${SECRET_BYTES} of a relay or ` +
            `${FAMILY_SECRET_BYTES} of a family.`
        })
      )
    }
    writer.u32(Number.parseInt(tag, 16)).bytes(Redacted.value(secret))
  }
  const families = sorted.filter(([, secret]) => sizeOf(secret) === FAMILY_SECRET_BYTES)
  const [last] = families.slice(FAMILIES_MAX)
  if (last !== undefined) {
    const [tag] = last
    return Result.fail(
      new UnstorableKeys({ tag, message: `The keys of ${families.length} families are more than ${FAMILIES_MAX}.` })
    )
  }
  const bytes = writer.done()
  const count = entries.size - families.length
  return Result.succeed({ bytes, count, families: families.length, digest: digestOfPayload(bytes) })
}

/** The secrets of a payload with so many relays, by tag. The length was checked against the header's. */
export const secretsIn = (payload: Uint8Array, count: number): RelaySecrets => {
  const secrets = new Map<string, Redacted.Redacted<Uint8Array>>()
  const families = count * RELAY_BYTES
  for (let at = 0; at < payload.length;) {
    const [bytes, label] = at < families ? [RELAY_BYTES, "relay identity"] : [FAMILY_BYTES, "family key"]
    const secret = payload.slice(at + TAG_BYTES, at + bytes)
    secrets.set(toHex(payload.subarray(at, at + TAG_BYTES)), Redacted.make(secret, { label }))
    at += bytes
  }
  return secrets
}
