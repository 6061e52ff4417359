import { Redacted, Result, Schema } from "effect"
import * as Base64 from "effect/encoding/Base64"
import { publicPointOf } from "../relay/Edwards25519.ts"
import { FamilyId } from "./FamilyId.ts"

/**
 * The secret that lets a relay say that it is of a family: an expanded ed25519 secret of 64 bytes, the scalar, least
 * significant byte first, and the prefix (RFC 8032, section 5.1.5). All relays of the family have the same.
 */
export type FamilySecret = Redacted.Redacted<Uint8Array>

export const FAMILY_SECRET_BYTES = 64

/** Bytes or a file are no secret of a family. `message` says why, and holds none of them. */
export class NotAFamilySecret extends Schema.TaggedError<NotAFamilySecret>()("NotAFamilySecret", {
  message: Schema.String
}) {}

/** The 32 bytes in front of the secret in tor's file NAME.secret_family_key (tor source, crypto_ed25519.c: tag `fmly-id`). */
const FILE_HEADER = Uint8Array.from("== ed25519v1-secret: fmly-id ==\0", (character) => character.charCodeAt(0))

export const FAMILY_FILE_BYTES = FILE_HEADER.length + FAMILY_SECRET_BYTES

const refusal = (message: string): Result.Result<never, NotAFamilySecret> =>
  Result.fail(new NotAFamilySecret({ message }))

/** From the 64 bytes. They are checked, and copied. */
export const familySecretFromBytes = (bytes: Uint8Array): Result.Result<FamilySecret, NotAFamilySecret> => {
  if (bytes.length !== FAMILY_SECRET_BYTES) {
    return refusal(`the secret of a family is ${FAMILY_SECRET_BYTES} bytes, not ${bytes.length}`)
  }
  const first = bytes[0] ?? 0
  const last = bytes[31] ?? 0
  if ((first & 7) !== 0 || (last & 0xc0) !== 0x40) return refusal("it is no expanded ed25519 secret")
  return Result.succeed(Redacted.make(Uint8Array.from(bytes), { label: "FamilySecret" }))
}

/** From a file as `tor --keygen-family` writes it. */
export const familySecretFromFile = (file: Uint8Array): Result.Result<FamilySecret, NotAFamilySecret> =>
  file.length === FAMILY_FILE_BYTES && FILE_HEADER.every((byte, at) => file[at] === byte)
    ? familySecretFromBytes(file.subarray(FILE_HEADER.length))
    : refusal("it is no secret family key as tor writes one (96 bytes, `tor --keygen-family NAME`)")

/** The same file, byte for byte. */
export const familyFileOf = (secret: FamilySecret): Redacted.Redacted<Uint8Array> =>
  Redacted.make(Uint8Array.from([...FILE_HEADER, ...Redacted.value(secret)]), { label: "family key file" })

/** The identity that the secret is of. It takes a millisecond: see Edwards25519.ts. */
export const familyIdOf = (secret: FamilySecret): FamilyId =>
  FamilyId.make(Base64.encode(publicPointOf(Redacted.value(secret).subarray(0, 32))).replace(/=+$/, ""))
