import { Result } from "effect"
import { createHash } from "node:crypto"

/**
 * tor's file `keys/secret_id_key`: an RSA-1024 key with e = 65537, as PKCS#1 RSAPrivateKey (RFC 8017, appendix A.1.2)
 * in PEM, and one NUL after it. Only p and q are secrets of their own; tor (OpenSSL) takes d = e^-1 mod (p-1)(q-1), not
 * the smaller one mod lcm(p-1, q-1), so the file is rebuilt from p and q byte for byte.
 */
export interface RsaPrimes {
  /** The larger prime. */
  readonly p: bigint
  readonly q: bigint
}

const E = 65_537n
const HEADER = "-----BEGIN RSA PRIVATE KEY-----"
const FOOTER = "-----END RSA PRIVATE KEY-----"

/** The length of each prime. */
export const PRIME_BYTES = 64

/** Why a file is no key of a relay is said without any byte of it. */
export const decodeRsaKeyFile = (file: Uint8Array): Result.Result<RsaPrimes, string> => {
  const lines = Buffer.from(file).toString("latin1").replace(/\0$/, "").trim().split(/\r?\n/)
  if (lines[0] !== HEADER || lines.at(-1) !== FOOTER) return Result.fail("it is no PEM file of an RSA private key")
  const integers = decodeIntegers(Buffer.from(lines.slice(1, -1).join(""), "base64"))
  if (integers === undefined) return Result.fail("its content is no PKCS#1 private key")
  const [version, n, e, , first, second] = integers
  if (version !== 0n || n === undefined || first === undefined || second === undefined) {
    return Result.fail("its content is no PKCS#1 private key")
  }
  if (e !== E) return Result.fail("its public exponent is not 65537")
  if (first * second !== n) return Result.fail("its primes do not make up its modulus")
  if (byteLength(first) !== PRIME_BYTES || byteLength(second) !== PRIME_BYTES) {
    return Result.fail("it is not an RSA-1024 key")
  }
  return Result.succeed(first > second ? { p: first, q: second } : { p: second, q: first })
}

/** The file, byte for byte as tor writes it. */
export const encodeRsaKeyFile = ({ p, q }: RsaPrimes): Uint8Array => {
  const d = inverseOf(E, (p - 1n) * (q - 1n))
  const der = sequence([0n, p * q, E, d, p, q, d % (p - 1n), d % (q - 1n), inverseOf(q, p)])
  const lines = der.toString("base64").match(/.{1,64}/g) ?? []
  return Buffer.from(`${[HEADER, ...lines, FOOTER].join("\n")}\n\0`, "latin1")
}

/** SHA-1 of the PKCS#1 RSAPublicKey in DER, as upper-case hex (tor-spec, "relay identity"). */
export const rsaFingerprintOf = ({ p, q }: RsaPrimes): string =>
  createHash("sha1").update(sequence([p * q, E])).digest("hex").toUpperCase()

/** a^-1 mod m by Euclid's extended algorithm; a and m have no common factor. */
const inverseOf = (a: bigint, m: bigint): bigint => {
  let [older, newer] = [a % m, m]
  let [coefficient, next] = [1n, 0n]
  while (newer !== 0n) {
    const quotient = older / newer
    ;[older, newer] = [newer, older - quotient * newer]
    ;[coefficient, next] = [next, coefficient - quotient * next]
  }
  return ((coefficient % m) + m) % m
}

const byteLength = (value: bigint): number => Math.ceil(value.toString(2).length / 8)

const bytesOf = (value: bigint): Buffer => {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex")
}

/** DER tag, length and content (X.690, section 8.1). */
const tagged = (tag: number, content: Buffer): Buffer => {
  const { length } = content
  const prefix = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...prefix]), content])
}

const integer = (value: bigint): Buffer => {
  const bytes = bytesOf(value)
  return tagged(0x02, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}

const sequence = (integers: ReadonlyArray<bigint>): Buffer => tagged(0x30, Buffer.concat(integers.map(integer)))

/** The integers of one DER sequence that holds nothing else; undefined if it is anything else. */
const decodeIntegers = (der: Buffer): ReadonlyArray<bigint> | undefined => {
  const outer = elementAt(der, 0)
  if (outer === undefined || outer.tag !== 0x30 || outer.end !== der.length) return undefined
  const integers: Array<bigint> = []
  for (let position = outer.start; position < outer.end;) {
    const element = elementAt(der, position)
    if (element === undefined || element.tag !== 0x02 || element.end > outer.end) return undefined
    integers.push(BigInt(`0x${der.subarray(element.start, element.end).toString("hex")}`))
    position = element.end
  }
  return integers.length === 9 ? integers : undefined
}

const elementAt = (der: Buffer, at: number): { tag: number; start: number; end: number } | undefined => {
  const tag = der[at]
  const first = der[at + 1]
  if (tag === undefined || first === undefined) return undefined
  const more = first < 0x80 ? 0 : first & 0x7f
  if (more > 2 || first === 0x80) return undefined
  let length = more === 0 ? first : 0
  for (let index = 0; index < more; index++) length = length * 256 + (der[at + 2 + index] ?? 0)
  const start = at + 2 + more
  return length > 0 && start + length <= der.length ? { tag, start, end: start + length } : undefined
}
