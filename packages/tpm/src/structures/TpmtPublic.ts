import { Effect, Result, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { Algorithm, EccCurve, type NameAlgorithm } from "./Algorithm.ts"
import { type ByteReader, readWhole } from "./ByteReader.ts"
import { ByteWriter } from "./ByteWriter.ts"
import { fromHex, toHex } from "./Hex.ts"
import type { MalformedStructure } from "./MalformedStructure.ts"

const U16 = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0xffff })))
const U32 = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff })))

/** TPMT_SYM_DEF_OBJECT (TPM 2.0 part 2, 11.1.7); key bits and mode are there unless the algorithm is TPM_ALG_NULL. */
export const SymmetricDefinition = Schema.Union([
  Schema.Struct({ algorithm: Schema.Literal(Algorithm.null) }),
  Schema.Struct({ algorithm: Schema.Literal(Algorithm.aes), keyBits: U16, mode: U16 })
])
export type SymmetricDefinition = typeof SymmetricDefinition.Type

const schemesWithHash = [
  Algorithm.mgf1,
  Algorithm.rsassa,
  Algorithm.rsapss,
  Algorithm.oaep,
  Algorithm.ecdsa,
  Algorithm.ecdh,
  Algorithm.sm2,
  Algorithm.ecschnorr,
  Algorithm.ecmqv,
  Algorithm.kdf1Sp800_56a,
  Algorithm.kdf2,
  Algorithm.kdf1Sp800_108
] as const

/** A scheme or key derivation with its hash (TPM 2.0 part 2, 11.2.1.5, 11.2.2.2, 11.2.3.3, 11.2.4.2). */
export const Scheme = Schema.Union([
  Schema.Struct({ algorithm: Schema.Literals([Algorithm.null, Algorithm.rsaes]) }),
  Schema.Struct({ algorithm: Schema.Literals(schemesWithHash), hash: U16 }),
  Schema.Struct({ algorithm: Schema.Literal(Algorithm.ecdaa), hash: U16, count: U16 })
])
export type Scheme = typeof Scheme.Type

const everyKey = {
  nameAlgorithm: Schema.Literals([Algorithm.sha256, Algorithm.sha384]),
  /** TPMA_OBJECT (TPM 2.0 part 2, 8.3). */
  attributes: U32,
  authPolicy: Schema.Uint8Array,
  symmetric: SymmetricDefinition,
  scheme: Scheme
}

/** The public area of an elliptic-curve key; x and y are big-endian and may have lost their leading zeros. */
export const EccPublic = Schema.Struct({
  type: Schema.Literal(Algorithm.ecc),
  ...everyKey,
  curve: U16,
  kdf: Scheme,
  x: Schema.Uint8Array,
  y: Schema.Uint8Array
})
export type EccPublic = typeof EccPublic.Type

/** The public area of an RSA key; exponent 0 stands for 65537 (TPM 2.0 part 2, 12.2.3.5). */
export const RsaPublic = Schema.Struct({
  type: Schema.Literal(Algorithm.rsa),
  ...everyKey,
  keyBits: U16,
  exponent: U32,
  modulus: Schema.Uint8Array
})
export type RsaPublic = typeof RsaPublic.Type

/** The public area of a key in a TPM: TPMT_PUBLIC (TPM 2.0 part 2, 12.2.4) of an ECC or RSA key. */
export const TpmtPublic = Schema.Union([EccPublic, RsaPublic])
export type TpmtPublic = typeof TpmtPublic.Type

/** The longest policy digest, SHA-512. */
const MAX_DIGEST = 64
/** Bytes of the longest coordinate, P-521. */
const MAX_COORDINATE = 66
/** Bytes of the longest modulus, RSA-4096. */
const MAX_MODULUS = 512
/** Above any TPMT_PUBLIC that this package reads. */
const MAX_PUBLIC = 1024

const readNameAlgorithm = (reader: ByteReader): NameAlgorithm => {
  const algorithm = reader.u16("nameAlg")
  if (algorithm === Algorithm.sha256 || algorithm === Algorithm.sha384) return algorithm
  return reader.fail("nameAlg", `is 0x${algorithm.toString(16)}, expected SHA-256 (0xb) or SHA-384 (0xc)`)
}

const readSymmetric = (reader: ByteReader): SymmetricDefinition => {
  const algorithm = reader.u16("parameters.symmetric.algorithm")
  if (algorithm === Algorithm.null) return { algorithm }
  if (algorithm !== Algorithm.aes) {
    return reader.fail("parameters.symmetric.algorithm", `is 0x${algorithm.toString(16)}, expected AES (0x6) or none`)
  }
  const keyBits = reader.u16("parameters.symmetric.keyBits")
  return { algorithm, keyBits, mode: reader.u16("parameters.symmetric.mode") }
}

const readScheme = (reader: ByteReader, field: string): Scheme => {
  const algorithm = reader.u16(`${field}.scheme`)
  if (algorithm === Algorithm.null || algorithm === Algorithm.rsaes) return { algorithm }
  const hash = reader.u16(`${field}.hashAlg`)
  if (algorithm === Algorithm.ecdaa) return { algorithm, hash, count: reader.u16(`${field}.count`) }
  const known = schemesWithHash.find((scheme) => scheme === algorithm)
  return known === undefined
    ? reader.fail(`${field}.scheme`, `0x${algorithm.toString(16)} is not a scheme that has a hash`)
    : { algorithm: known, hash }
}

const readPublic = (reader: ByteReader): TpmtPublic => {
  const type = reader.u16("type")
  if (type !== Algorithm.ecc && type !== Algorithm.rsa) {
    return reader.fail("type", `is 0x${type.toString(16)}, expected an ECC (0x23) or RSA (0x1) key`)
  }
  const nameAlgorithm = readNameAlgorithm(reader)
  const attributes = reader.u32("objectAttributes")
  const authPolicy = reader.sized("authPolicy", MAX_DIGEST)
  const symmetric = readSymmetric(reader)
  const scheme = readScheme(reader, "parameters.scheme")
  const common = { nameAlgorithm, attributes, authPolicy, symmetric, scheme }
  if (type === Algorithm.ecc) {
    const curve = reader.u16("parameters.curveID")
    const kdf = readScheme(reader, "parameters.kdf")
    const x = reader.sized("unique.x", MAX_COORDINATE)
    return { type, ...common, curve, kdf, x, y: reader.sized("unique.y", MAX_COORDINATE) }
  }
  const keyBits = reader.u16("parameters.keyBits")
  const exponent = reader.u32("parameters.exponent")
  return { type, ...common, keyBits, exponent, modulus: reader.sized("unique", MAX_MODULUS) }
}

const writeScheme = (writer: ByteWriter, scheme: Scheme): void => {
  writer.u16(scheme.algorithm)
  if ("hash" in scheme) writer.u16(scheme.hash)
  if ("count" in scheme) writer.u16(scheme.count)
}

/** The bytes of a TPMT_PUBLIC, without a size in front. */
export const encodeTpmtPublic = (area: TpmtPublic): Uint8Array => {
  const writer = new ByteWriter().u16(area.type).u16(area.nameAlgorithm).u32(area.attributes).sized(area.authPolicy)
  writer.u16(area.symmetric.algorithm)
  if ("mode" in area.symmetric) writer.u16(area.symmetric.keyBits).u16(area.symmetric.mode)
  writeScheme(writer, area.scheme)
  if (area.type === Algorithm.ecc) {
    writer.u16(area.curve)
    writeScheme(writer, area.kdf)
    return writer.sized(area.x).sized(area.y).done()
  }
  return writer.u16(area.keyBits).u32(area.exponent).sized(area.modulus).done()
}

/** Reads a TPMT_PUBLIC that fills `bytes` exactly. */
export const decodeTpmtPublic = (bytes: Uint8Array): Result.Result<TpmtPublic, MalformedStructure> =>
  readWhole(bytes, "TPMT_PUBLIC", readPublic)

/** Reads a TPM2B_PUBLIC (TPM 2.0 part 2, 12.2.5), as `tpm2_readpublic -f tss` writes it. */
export const decodeTpm2bPublic = (bytes: Uint8Array): Result.Result<TpmtPublic, MalformedStructure> =>
  readWhole(bytes, "TPM2B_PUBLIC", (reader) => reader.nested("TPMT_PUBLIC", MAX_PUBLIC, readPublic))

/** The bytes of a TPM2B_PUBLIC. */
export const encodeTpm2bPublic = (area: TpmtPublic): Uint8Array => new ByteWriter().sized(encodeTpmtPublic(area)).done()

/** A TPM2B_PUBLIC in hexadecimal digits: how a public area travels between agent and server. */
export const decodePublicHex = (text: string): Result.Result<TpmtPublic, MalformedStructure> =>
  Result.flatMap(fromHex(text, "TPM2B_PUBLIC"), decodeTpm2bPublic)

/** The hexadecimal digits of a TPM2B_PUBLIC, in lower case. */
export const encodePublicHex = (area: TpmtPublic): string => toHex(encodeTpm2bPublic(area))

/** The wire form as a Schema: hexadecimal TPM2B_PUBLIC on the outside, TpmtPublic inside. */
export const TpmtPublicFromHex = Schema.String.pipe(
  Schema.decodeTo(
    TpmtPublic,
    SchemaTransformation.transformEffect<TpmtPublic, string>({
      decode: (text, options) =>
        Effect.fromResult(decodePublicHex(text)).pipe(
          Effect.mapError(({ message }) => new SchemaIssue.InvalidValue({ message }, text, options))
        ),
      encode: (area) => Effect.succeed(encodePublicHex(area))
    })
  )
)

/** Bytes of a coordinate on the curve; the curve must be one that `EccCurve` lists. */
export const coordinateSize = (curve: number): number => curve === EccCurve.p384 ? 48 : 32

/** A big-endian number with leading zeros taken off or put on, so that it has exactly `size` bytes; none if it is larger. */
export const paddedTo = (size: number, value: Uint8Array): Uint8Array | undefined => {
  const first = value.findIndex((byte) => byte !== 0)
  const significant = first === -1 ? new Uint8Array() : value.subarray(first)
  if (significant.length > size) return undefined
  const padded = new Uint8Array(size)
  padded.set(significant, size - significant.length)
  return padded
}
