import { createHmac, createSecretKey, hash as digest } from "node:crypto"
import { ByteWriter } from "../structures/ByteWriter.ts"

type Hash = "sha256" | "sha384"

const encoder = new TextEncoder()

/** A label with the terminating NUL that both derivations count in (TPM 2.0 part 1, 11.4.10.2 and 11.4.10.3). */
const terminated = (label: string): Uint8Array => encoder.encode(`${label}\0`)

const blocks = (bits: number, block: (counter: number) => Uint8Array): Uint8Array => {
  if (!Number.isInteger(bits) || bits <= 0 || bits % 8 !== 0) throw new RangeError(`${bits} bits are not whole bytes`)
  const writer = new ByteWriter()
  const size = bits / 8
  for (let counter = 1, made = 0; made < size; counter += 1) {
    const part = block(counter)
    writer.bytes(part.subarray(0, size - made))
    made += part.length
  }
  return writer.done()
}

/**
 * KDFa: HMAC in counter mode, NIST SP 800-108 (TPM 2.0 part 1, 11.4.10.2). A block is
 * HMAC(key, counter || label || 00 || contextU || contextV || bits), integers of 32 bits.
 */
export const kdfA = (
  hash: Hash,
  key: Uint8Array,
  label: string,
  contextU: Uint8Array,
  contextV: Uint8Array,
  bits: number
): Uint8Array => {
  // As a KeyObject: Node takes three times as long to find that an array is none.
  const secret = createSecretKey(key)
  return blocks(bits, (counter) =>
    createHmac(hash, secret)
      .update(
        new ByteWriter().u32(counter).bytes(terminated(label)).bytes(contextU).bytes(contextV).u32(bits).done()
      )
      .digest())
}

/**
 * KDFe: the single-step derivation of NIST SP 800-56A (TPM 2.0 part 1, 11.4.10.3). A block is
 * H(counter || Z || use || 00 || partyU || partyV). Z and the parties are x coordinates of full length.
 */
export const kdfE = (
  hash: Hash,
  z: Uint8Array,
  use: string,
  partyU: Uint8Array,
  partyV: Uint8Array,
  bits: number
): Uint8Array =>
  blocks(bits, (counter) =>
    digest(
      hash,
      new ByteWriter().u32(counter).bytes(z).bytes(terminated(use)).bytes(partyU).bytes(partyV).done(),
      "buffer"
    ))
