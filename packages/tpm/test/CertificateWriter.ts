import { Result } from "effect"
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { type Certificate, decodeCertificate } from "../src/certificate/Certificate.ts"
import { Algorithm } from "../src/structures/Algorithm.ts"
import { publicKeyOf } from "../src/structures/publicKeyOf.ts"
import type { TpmtPublic } from "../src/structures/TpmtPublic.ts"

type Bytes = Uint8Array

/** DER of one element. */
export const der = (tag: number, ...contents: ReadonlyArray<Bytes>): Bytes => {
  const content = Buffer.concat(contents)
  const length = content.length < 0x80
    ? [content.length]
    : content.length < 0x100
    ? [0x81, content.length]
    : [0x82, content.length >> 8, content.length & 0xff]
  return new Uint8Array(Buffer.concat([Buffer.from([tag, ...length]), content]))
}

const arc = (value: number): ReadonlyArray<number> =>
  value < 128 ? [value] : [...arc(Math.floor(value / 128)).map((byte) => byte | 0x80), value % 128]

export const oid = (dotted: string): Bytes => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  return der(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(arc)))
}

export const sequence = (...contents: ReadonlyArray<Bytes>): Bytes => der(0x30, ...contents)
export const utf8 = (text: string): Bytes => der(0x0c, new TextEncoder().encode(text))
const bits = (bytes: Bytes): Bytes => der(0x03, Uint8Array.from([0]), bytes)
const attribute = (type: string, text: string): Bytes => sequence(oid(type), utf8(text))
export const name = (common: string): Bytes => sequence(der(0x31, attribute("2.5.4.3", common)))

/** YYYYMMDDHHMMSSZ, as UTCTime where it can be. */
const time = (text: string): Bytes =>
  /^20[0-4]/.test(text)
    ? der(0x17, new TextEncoder().encode(text.slice(2)))
    : der(0x18, new TextEncoder().encode(text))

export interface Extension {
  readonly id: string
  readonly critical?: boolean
  readonly value: Bytes
}

const TRUE = Uint8Array.from([0x01, 0x01, 0xff])
const extensionOf = ({ id, critical, value }: Extension): Bytes =>
  sequence(oid(id), critical === true ? TRUE : new Uint8Array(), der(0x04, value))

/** KeyUsage by its bits, the first bit the highest. */
export const keyUsage = (...usages: ReadonlyArray<number>): Extension => {
  const last = Math.max(...usages)
  const mask = usages.reduce((value, bit) => value | (0x80 >> bit), 0)
  return { id: "2.5.29.15", critical: true, value: der(0x03, Uint8Array.from([7 - last, mask])) }
}
export const DIGITAL_SIGNATURE = 0
export const KEY_ENCIPHERMENT = 2
export const KEY_AGREEMENT = 4
export const KEY_CERT_SIGN = 5

export const basicConstraints = (ca: boolean, pathLength?: number): Extension => ({
  id: "2.5.29.19",
  critical: true,
  value: sequence(
    ca ? TRUE : new Uint8Array(),
    pathLength === undefined ? new Uint8Array() : der(0x02, Uint8Array.from([pathLength]))
  )
})

export const extendedKeyUsage = (...purposes: ReadonlyArray<string>): Extension => ({
  id: "2.5.29.37",
  value: sequence(...purposes.map(oid))
})
export const EK_CERTIFICATE = "2.23.133.8.1"

/** SubjectAltName with a directory name of one RDN for each text. */
export const tpmNames = (names: Readonly<Record<string, string>>): Extension => ({
  id: "2.5.29.17",
  critical: true,
  value: sequence(
    der(
      0xa4,
      sequence(...Object.entries(names).map(([type, text]) => der(0x31, attribute(type, text))))
    )
  )
})
export const someTpm = { "2.23.133.2.1": "id:49465800", "2.23.133.2.2": "SLB9670", "2.23.133.2.3": "id:00070055" }

export interface Authority {
  readonly name: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

/** A key pair with a name, that can issue and be issued to. */
export const authority = (named: string, curve = "P-256"): Authority => ({
  name: named,
  ...generateKeyPairSync("ec", { namedCurve: curve })
})

export interface Request {
  readonly subject: string
  readonly publicKey: KeyObject
  readonly issuer: Authority
  readonly extensions: ReadonlyArray<Extension>
  readonly notBefore?: string
  readonly notAfter?: string
  /** OID of the signature and the hash, ECDSA with SHA-256 when not given. */
  readonly signature?: readonly [string, string]
  /** OID that is written outside of what is signed. */
  readonly outerSignature?: string
}

/** A certificate of version 3, signed by its issuer, whatever it says. */
export const writtenCertificate = (request: Request): Bytes => {
  const [algorithm, hash] = request.signature ?? ["1.2.840.10045.4.3.2", "sha256"]
  const tbs = sequence(
    der(0xa0, der(0x02, Uint8Array.from([2]))),
    der(0x02, Uint8Array.from([1])),
    sequence(oid(algorithm)),
    name(request.issuer.name),
    sequence(time(request.notBefore ?? "20240101000000Z"), time(request.notAfter ?? "99991231235959Z")),
    name(request.subject),
    new Uint8Array(request.publicKey.export({ format: "der", type: "spki" })),
    der(0xa3, sequence(...request.extensions.map(extensionOf)))
  )
  return sequence(
    tbs,
    sequence(oid(request.outerSignature ?? algorithm)),
    bits(new Uint8Array(sign(hash, tbs, request.issuer.privateKey)))
  )
}

/** What a CA has. */
export const caExtensions = (pathLength?: number): ReadonlyArray<Extension> => [
  basicConstraints(true, pathLength),
  keyUsage(KEY_CERT_SIGN)
]

export const caCertificate = (subject: Authority, issuer: Authority, change: Partial<Request> = {}): Bytes =>
  writtenCertificate({
    subject: subject.name,
    publicKey: subject.publicKey,
    issuer,
    extensions: caExtensions(),
    ...change
  })

/** What the certificate of an endorsement key has. */
export const ekExtensions = (key: TpmtPublic): ReadonlyArray<Extension> => [
  basicConstraints(false),
  keyUsage(key.type === Algorithm.rsa ? KEY_ENCIPHERMENT : KEY_AGREEMENT),
  extendedKeyUsage(EK_CERTIFICATE),
  tpmNames(someTpm)
]

export const ekCertificate = (key: TpmtPublic, issuer: Authority, change: Partial<Request> = {}): Bytes => {
  const publicKey = publicKeyOf(key)
  if (publicKey === undefined) throw new Error("the key is not usable")
  return writtenCertificate({ subject: "EK", publicKey, issuer, extensions: ekExtensions(key), ...change })
}

export const asRoot = (bytes: Bytes): Certificate => Result.getOrThrow(decodeCertificate(bytes, "root"))
