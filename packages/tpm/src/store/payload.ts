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

/** What is saved of one relay. */
export interface RelaySecret {
  readonly name: string
  /** Exactly 192 bytes. */
  readonly secret: Redacted.Redacted<Uint8Array>
}

/** Stands for a relay's name in the store: the first 4 bytes of its SHA-256, in hex. */
export const tagOf = (name: string): string =>
  createHash("sha256").update(name, "utf8").digest("hex").slice(0, TAG_BYTES * 2)

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
 * Refused: a secret of another length, and two names with one tag (one pair in four thousand million).
 */
export const payloadOf = (entries: ReadonlyArray<RelaySecret>): Result.Result<Payload, UnstorableKeys> => {
  const byTag = new Map<string, RelaySecret>()
  for (const entry of entries) {
    const size = Redacted.value(entry.secret).length
    if (size !== SECRET_BYTES) {
      return Result.fail(
        new UnstorableKeys({
          relay: entry.name,
          message: `The secret of relay ${entry.name} is ${size} bytes long, expected ${SECRET_BYTES}.`
        })
      )
    }
    const tag = tagOf(entry.name)
    const other = byTag.get(tag)
    if (other !== undefined) {
      return Result.fail(
        new UnstorableKeys({
          relay: entry.name,
          message: `Relays ${other.name} and ${entry.name} have the same tag ${tag} in the key store. ` +
            "Remove one of them on the server, so that another name is allocated."
        })
      )
    }
    byTag.set(tag, entry)
  }
  const writer = new ByteWriter()
  for (const tag of [...byTag.keys()].sort()) {
    const entry = byTag.get(tag)
    if (entry !== undefined) writer.u32(Number.parseInt(tag, 16)).bytes(Redacted.value(entry.secret))
  }
  const bytes = writer.done()
  return Result.succeed({ bytes, count: byTag.size, digest: digestOfPayload(bytes) })
}

/** The secrets of a payload by tag. The length was checked against the header's. */
export const secretsIn = (payload: Uint8Array): ReadonlyMap<string, Redacted.Redacted<Uint8Array>> => {
  const secrets = new Map<string, Redacted.Redacted<Uint8Array>>()
  for (let at = 0; at + RELAY_BYTES <= payload.length; at += RELAY_BYTES) {
    const secret = payload.slice(at + TAG_BYTES, at + RELAY_BYTES)
    secrets.set(toHex(payload.subarray(at, at + TAG_BYTES)), Redacted.make(secret, { label: "relay identity" }))
  }
  return secrets
}
