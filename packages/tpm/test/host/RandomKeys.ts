import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { createECDH, generateKeyPairSync, randomBytes } from "node:crypto"
import { endorsementKeyTemplates } from "../../src/identity/EndorsementKey.ts"
import { Algorithm, EccCurve } from "../../src/structures/Algorithm.ts"
import { ByteWriter } from "../../src/structures/ByteWriter.ts"
import type { TpmtPublic } from "../../src/structures/TpmtPublic.ts"
import { bytes } from "../fixtures.ts"

/** A key whose secret is known, so that a TPM can import it and a test can open what is made for it. */
export interface RandomKey {
  readonly public: TpmtPublic
  /** TPMT_SENSITIVE (TPM 2.0 part 2, 12.3.2.4). */
  readonly sensitive: Uint8Array
  /** RSA: the two primes. ECC: the scalar. Big-endian. */
  readonly secret: ReadonlyArray<Uint8Array>
}

/** sensitiveDataOrigin, fixedTPM, fixedParent clear, as an import demands; userWithAuth, noDA, restricted, decrypt. */
const IMPORTED = 0x0003_0440

const common = (kind: EndorsementKeyKind) => {
  const { nameAlgorithm, symmetric, scheme } = endorsementKeyTemplates[kind]
  return {
    nameAlgorithm: nameAlgorithm === Algorithm.sha384 ? Algorithm.sha384 : Algorithm.sha256,
    attributes: IMPORTED,
    authPolicy: new Uint8Array(),
    symmetric,
    scheme
  }
}

/** A storage key has a seed of the size of its name's hash (TPM 2.0 part 1, 27.6). */
const sensitiveOf = (area: TpmtPublic, secret: Uint8Array): Uint8Array =>
  new ByteWriter()
    .u16(area.type)
    .u16(0)
    .sized(new Uint8Array(randomBytes(area.nameAlgorithm === Algorithm.sha384 ? 48 : 32)))
    .sized(secret)
    .done()

/** A key on P-256 or P-384 that `wanted` takes, found by trying. */
export const eccKey = (
  kind: "ecc-p256" | "ecc-p384",
  wanted: (x: Uint8Array, y: Uint8Array) => boolean = () => true
): RandomKey => {
  const size = kind === "ecc-p384" ? 48 : 32
  const pair = createECDH(kind === "ecc-p384" ? "secp384r1" : "prime256v1")
  for (;;) {
    const point = new Uint8Array(pair.generateKeys())
    const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)]
    if (!wanted(x, y)) continue
    const scalar = pair.getPrivateKey()
    const secret = new Uint8Array(size)
    secret.set(scalar, size - scalar.length)
    const area: TpmtPublic = {
      type: Algorithm.ecc,
      ...common(kind),
      curve: kind === "ecc-p384" ? EccCurve.p384 : EccCurve.p256,
      kdf: { algorithm: Algorithm.null },
      x,
      y
    }
    return { public: area, sensitive: sensitiveOf(area, secret), secret: [secret] }
  }
}

const toBigInt = (value: Uint8Array): bigint => BigInt(`0x${Buffer.from(value).toString("hex")}`)

/** `count` different RSA-2048 keys of few primes: any two of those that node makes have a product of 2048 bits. */
export const rsaKeys = (count: number): ReadonlyArray<RandomKey> => {
  const primes: Array<Uint8Array> = []
  while (primes.length * (primes.length - 1) / 2 < count) {
    const jwk = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" })
    primes.push(bytes(Buffer.from(jwk.p ?? "", "base64url").toString("hex")))
    primes.push(bytes(Buffer.from(jwk.q ?? "", "base64url").toString("hex")))
  }
  return primes.flatMap((p, at) =>
    primes.slice(0, at).map((q): RandomKey => {
      const modulus = bytes((toBigInt(p) * toBigInt(q)).toString(16).padStart(512, "0"))
      const area: TpmtPublic = { type: Algorithm.rsa, ...common("rsa-2048"), keyBits: 2048, exponent: 0, modulus }
      return { public: area, sensitive: sensitiveOf(area, p), secret: [p, q] }
    })
  ).slice(0, count)
}
