import {
  constants,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes
} from "node:crypto"
import { Algorithm, EccCurve } from "../structures/Algorithm.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { hashNameOf } from "../structures/Name.ts"
import { coordinateSize, type EccPublic, paddedTo, type RsaPublic, type TpmtPublic } from "../structures/TpmtPublic.ts"
import { kdfE } from "./kdf.ts"

/** What a secret is for: a credential's seed, or the salt of a session (TPM 2.0 part 1, B.10.3, B.10.4, C.6.3, C.6.4). */
export type SecretUse = "IDENTITY" | "SECRET"

/** A secret that only the TPM with the key can learn. */
export interface SharedSecret {
  /** As long as a digest of the key's name algorithm. */
  readonly secret: Uint8Array
  /** The buffer of a TPM2B_ENCRYPTED_SECRET (TPM 2.0 part 2, 11.4.3), without its size. */
  readonly encrypted: Uint8Array
}

/** Node's own form of the keys that secrets were made for, as long as the caller keeps them: importing is half the work. */
const imported = new WeakMap<EccPublic, KeyObject>()

const namedCurve = (key: EccPublic): "P-256" | "P-384" => key.curve === EccCurve.p384 ? "P-384" : "P-256"

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url")

/** Refuses a point that is not on the curve (OpenSSL, EC_KEY_check_key). */
const peerOf = (key: EccPublic, x: Uint8Array, y: Uint8Array): KeyObject => {
  const jwk = { kty: "EC", crv: namedCurve(key), x: base64url(x), y: base64url(y) }
  const peer = imported.get(key) ?? createPublicKey({ format: "jwk", key: jwk })
  imported.set(key, peer)
  return peer
}

/** Agreed with an ECC key by one-pass ECDH (TPM 2.0 part 1, C.6.1). */
const agreed = (key: EccPublic, use: SecretUse): SharedSecret => {
  const hash = hashNameOf(key.nameAlgorithm)
  const size = coordinateSize(key.curve)
  const x = paddedTo(size, key.x)
  const y = paddedTo(size, key.y)
  if (x === undefined || y === undefined) throw new RangeError("a coordinate is longer than the field of the curve")
  const publicKey = peerOf(key, x, y)
  const ephemeral = generateKeyPairSync("ec", { namedCurve: namedCurve(key) })
  // RFC 7518, section 6.2.1.2: a coordinate has full length there, as the shared x has that Node gives.
  const point = ephemeral.publicKey.export({ format: "jwk" })
  const ephemeralX = Buffer.from(point.x ?? "", "base64url")
  const z = diffieHellman({ privateKey: ephemeral.privateKey, publicKey })
  return {
    secret: kdfE(hash, z, use, ephemeralX, x, hash === "sha256" ? 256 : 384),
    encrypted: new ByteWriter().sized(ephemeralX).sized(Buffer.from(point.y ?? "", "base64url")).done()
  }
}

/** Random, under RSA-OAEP with the use and its NUL as the label (TPM 2.0 part 1, B.4). */
const wrapped = (key: RsaPublic, use: SecretUse): SharedSecret => {
  const hash = hashNameOf(key.nameAlgorithm)
  const secret = randomBytes(hash === "sha256" ? 32 : 48)
  const exponent = key.exponent === 0 ? 65_537 : key.exponent
  const publicKey = createPublicKey({
    format: "jwk",
    key: {
      kty: "RSA",
      n: Buffer.from(key.modulus).toString("base64url"),
      e: Buffer.from(new ByteWriter().u32(exponent).done()).toString("base64url")
    }
  })
  const encrypted = publicEncrypt(
    { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash, oaepLabel: Buffer.from(`${use}\0`) },
    secret
  )
  return { secret, encrypted }
}

/** A new secret for the TPM that has this key. Throws where the key's unique value is no public key of its type. */
export const secretFor = (key: TpmtPublic, use: SecretUse): SharedSecret =>
  key.type === Algorithm.ecc ? agreed(key, use) : wrapped(key, use)
