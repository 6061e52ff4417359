import { Option, Redacted } from "effect"
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto"

/** AES-256-GCM as NIST SP 800-38D recommends it: a nonce of 96 bits, a tag of 128. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32

/** nonce || ciphertext || tag of bytes under the 32-byte key of a credential, bound to a text. The nonce is a new one. */
export const sealUnder = (key: Uint8Array, plain: Redacted.Redacted<Uint8Array>, boundTo: string): Uint8Array => {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv("aes-256-gcm", createSecretKey(key), nonce)
  cipher.setAAD(Buffer.from(boundTo, "utf8"))
  return Buffer.concat([nonce, cipher.update(Redacted.value(plain)), cipher.final(), cipher.getAuthTag()])
}

/** What was sealed; none where it was altered, or sealed under another key or bound to another text. */
export const openUnder = (
  key: Redacted.Redacted<Uint8Array>,
  sealed: Uint8Array,
  boundTo: string
): Option.Option<Redacted.Redacted<Uint8Array>> => {
  if (sealed.length <= NONCE_BYTES + TAG_BYTES || Redacted.value(key).length !== KEY_BYTES) return Option.none()
  const decipher = createDecipheriv("aes-256-gcm", Redacted.value(key), sealed.subarray(0, NONCE_BYTES))
  decipher.setAAD(Buffer.from(boundTo, "utf8"))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    const plain = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
    return Option.some(Redacted.make(new Uint8Array(plain)))
  } catch {
    return Option.none()
  }
}
