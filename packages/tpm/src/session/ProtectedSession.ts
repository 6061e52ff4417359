import { Redacted } from "effect"
import { createCipheriv, createDecipheriv, createHash, createHmac, timingSafeEqual } from "node:crypto"
import type { Command } from "../command/Command.ts"
import { kdfA } from "../credential/kdf.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"

/** All sessions of ours are of SHA-256, whose digests, keys and nonces are 32 bytes long. */
const HASH = "sha256"
const BITS = 256
export const NONCE_BYTES = 32

/** A session with a key that nobody on the bus knows: it authorises, and encrypts what is asked or answered. */
export interface ProtectedSession {
  readonly handle: number
  readonly key: Redacted.Redacted<Uint8Array>
  /** The TPM's newest nonce; every answer brings another. */
  nonceTpm: Uint8Array
}

/** The key of a salted session that is bound to nothing (TPM 2.0 part 1, 19.6.8). */
export const sessionKey = (
  salt: Uint8Array,
  nonceTpm: Uint8Array,
  nonceCaller: Uint8Array
): Redacted.Redacted<Uint8Array> =>
  Redacted.make(kdfA(HASH, salt, "ATH", nonceTpm, nonceCaller, BITS), { label: "session key" })

/** The two nonces of one direction: the newer is that of who speaks. */
export interface Nonces {
  readonly newer: Uint8Array
  readonly older: Uint8Array
}

const digest = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const hash = createHash(HASH)
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** cpHash: what a command's authorisations are over (TPM 2.0 part 1, 16.7). */
export const commandDigest = (
  command: Pick<Command<unknown>, "code" | "handles">,
  parameters: Uint8Array
): Uint8Array =>
  digest(new ByteWriter().u32(command.code).done(), ...command.handles.map(({ name }) => name), parameters)

/** rpHash: the same of an answer, whose code is 0 (TPM 2.0 part 1, 16.8). */
export const responseDigest = (code: number, parameters: Uint8Array): Uint8Array =>
  digest(new ByteWriter().u32(0).u32(code).done(), parameters)

/** The HMAC of one direction; the entity's own password is empty (TPM 2.0 part 1, 19.6.5). */
export const sessionHmac = (
  key: Redacted.Redacted<Uint8Array>,
  over: Uint8Array,
  { newer, older }: Nonces,
  attributes: number
): Uint8Array =>
  createHmac(HASH, Redacted.value(key)).update(over).update(newer).update(older)
    .update(new Uint8Array([attributes])).digest()

/** Whether two HMACs are the same, in a time that says nothing of where they differ. */
export const sameHmac = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && timingSafeEqual(one, other)

/** Key and initial vector of one parameter (TPM 2.0 part 1, 21.3). */
const cipherOf = (key: Redacted.Redacted<Uint8Array>, { newer, older }: Nonces) => {
  const derived = kdfA(HASH, Redacted.value(key), "CFB", newer, older, 256)
  return { key: derived.subarray(0, 16), iv: derived.subarray(16) }
}

/** The parameters with the buffer of the first, a TPM2B, replaced. Its size stays in the clear. */
const withFirst = (parameters: Uint8Array, change: (buffer: Uint8Array) => Uint8Array): Uint8Array => {
  const size = new DataView(parameters.buffer, parameters.byteOffset, parameters.length).getUint16(0)
  if (parameters.length < 2 + size) throw new RangeError("the first parameter is not a TPM2B")
  return new ByteWriter().bytes(parameters.subarray(0, 2)).bytes(change(parameters.subarray(2, 2 + size)))
    .bytes(parameters.subarray(2 + size)).done()
}

/** AES-128 in CFB mode over the first parameter (TPM 2.0 part 1, 21.3). The parameters must begin with a TPM2B. */
export const encryptFirst = (key: Redacted.Redacted<Uint8Array>, nonces: Nonces, parameters: Uint8Array): Uint8Array =>
  withFirst(parameters, (buffer) => {
    const cipher = cipherOf(key, nonces)
    return createCipheriv("aes-128-cfb", cipher.key, cipher.iv).update(buffer)
  })

/** The inverse of `encryptFirst`. */
export const decryptFirst = (key: Redacted.Redacted<Uint8Array>, nonces: Nonces, parameters: Uint8Array): Uint8Array =>
  withFirst(parameters, (buffer) => {
    const cipher = cipherOf(key, nonces)
    return createDecipheriv("aes-128-cfb", cipher.key, cipher.iv).update(buffer)
  })
