import { Result } from "effect"
import {
  constants,
  createDecipheriv,
  createECDH,
  createHmac,
  createPrivateKey,
  type KeyObject,
  privateDecrypt
} from "node:crypto"
import { kdfA, kdfE } from "../../src/credential/kdf.ts"
import type { Credential } from "../../src/credential/makeCredential.ts"
import { Algorithm } from "../../src/structures/Algorithm.ts"
import { readWhole } from "../../src/structures/ByteReader.ts"
import { ByteWriter } from "../../src/structures/ByteWriter.ts"
import { toHex } from "../../src/structures/Hex.ts"
import { hashNameOf } from "../../src/structures/Name.ts"
import { coordinateSize, paddedTo } from "../../src/structures/TpmtPublic.ts"
import type { RandomKey } from "./RandomKeys.ts"

const base64url = (hex: string): string =>
  Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex").toString("base64url")

/** a^-1 mod m. */
const inverse = (a: bigint, m: bigint): bigint => {
  let [r, next, x, step] = [m, a % m, 0n, 1n]
  while (next !== 0n) {
    const quotient = r / next
    ;[r, next] = [next, r - quotient * next]
    ;[x, step] = [step, x - quotient * step]
  }
  return ((x % m) + m) % m
}

const rsaPrivateKey = ([p, q]: ReadonlyArray<bigint>): KeyObject => {
  if (p === undefined || q === undefined) throw new Error("an RSA key has two primes")
  const e = 65_537n
  const d = inverse(e, (p - 1n) * (q - 1n))
  const part = (value: bigint): string => base64url(value.toString(16))
  return createPrivateKey({
    format: "jwk",
    key: {
      kty: "RSA",
      n: part(p * q),
      e: part(e),
      d: part(d),
      p: part(p),
      q: part(q),
      dp: part(d % (p - 1n)),
      dq: part(d % (q - 1n)),
      qi: part(inverse(q, p))
    }
  })
}

/**
 * The x coordinate of the point that an ECC secret leads to (TPM 2.0 part 1, C.6.1), and that of the ephemeral key, which
 * goes into the derivation as it was sent: tpm2_makecredential 5.4 takes its leading zeros off.
 */
export const agreement = (
  key: RandomKey,
  secret: Uint8Array
): { readonly z: Uint8Array; readonly ephemeral: Uint8Array } => {
  if (key.public.type !== Algorithm.ecc) throw new Error("only an ECC key agrees")
  const size = coordinateSize(key.public.curve)
  const { x, y } = Result.getOrThrow(
    readWhole(
      secret,
      "TPM2B_ENCRYPTED_SECRET",
      (reader) => reader.nested("point", 1024, (inner) => ({ x: inner.sized("x", size), y: inner.sized("y", size) }))
    )
  )
  const ecdh = createECDH(size === 48 ? "secp384r1" : "prime256v1")
  ecdh.setPrivateKey(Buffer.from(key.secret[0] ?? new Uint8Array()))
  const point = new ByteWriter().u8(4).bytes(paddedTo(size, x) ?? x).bytes(paddedTo(size, y) ?? y).done()
  return { z: new Uint8Array(ecdh.computeSecret(point)), ephemeral: x }
}

const seedOf = (key: RandomKey, secret: Uint8Array): Uint8Array => {
  const hash = hashNameOf(key.public.nameAlgorithm)
  if (key.public.type === Algorithm.ecc) {
    const { z, ephemeral } = agreement(key, secret)
    return kdfE(hash, z, "IDENTITY", ephemeral, key.public.x, hash === "sha384" ? 384 : 256)
  }
  const primes = key.secret.map((prime) => BigInt(`0x${toHex(prime)}`))
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash, oaepLabel: Buffer.from("IDENTITY\0") }
  return privateDecrypt({ key: rsaPrivateKey(primes), ...padding }, secret.subarray(2))
}

/** What a TPM does that holds this key and an object of this Name (TPM 2.0 part 1, 24): the credential, or a throw. */
export const openCredential = (key: RandomKey, akName: Uint8Array, credential: Credential): Uint8Array => {
  const hash = hashNameOf(key.public.nameAlgorithm)
  const seed = seedOf(key, credential.secret)
  const none = new Uint8Array()
  const { integrity, identity } = Result.getOrThrow(
    readWhole(credential.blob, "TPM2B_ID_OBJECT", (reader) =>
      reader.nested("identity", 1024, (inner) => ({
        integrity: inner.sized("integrity", 64),
        identity: inner.bytes("identity", inner.remaining)
      })))
  )
  const hmacKey = kdfA(hash, seed, "INTEGRITY", none, none, hash === "sha384" ? 384 : 256)
  const expected = createHmac(hash, hmacKey).update(identity).update(akName).digest("hex")
  if (toHex(integrity) !== expected) throw new Error("the credential is not for this key and name")
  const bits = hash === "sha384" ? 256 : 128
  const decipher = createDecipheriv(
    `aes-${bits}-cfb`,
    kdfA(hash, seed, "STORAGE", akName, none, bits),
    Buffer.alloc(16)
  )
  const clear = new Uint8Array(Buffer.concat([decipher.update(identity), decipher.final()]))
  return Result.getOrThrow(readWhole(clear, "credential", (reader) => reader.sized("credential", 64)))
}
