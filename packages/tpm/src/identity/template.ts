import { Algorithm } from "../structures/Algorithm.ts"
import { toHex } from "../structures/Hex.ts"
import type { Scheme, SymmetricDefinition, TpmtPublic } from "../structures/TpmtPublic.ts"
import { onCurve } from "./onCurve.ts"

/** A field that is not as the template says. */
export interface Departure {
  readonly field: string
  readonly message: string
}

/** Everything that must be equal in a key made from a template; the unique value is what differs. */
export interface Template {
  readonly title: string
  readonly type: typeof Algorithm.ecc | typeof Algorithm.rsa
  readonly nameAlgorithm: number
  readonly attributes: number
  /** Lower-case hex, empty for none. */
  readonly authPolicy: string
  readonly symmetric: SymmetricDefinition
  readonly scheme: Scheme
  readonly curve?: number
  readonly keyBits?: number
}

const schemeText = (scheme: Scheme): string =>
  [scheme.algorithm, ..."hash" in scheme ? [scheme.hash] : [], ..."count" in scheme ? [scheme.count] : []]
    .map((part) => `0x${part.toString(16)}`).join("/")

const symmetricText = (symmetric: SymmetricDefinition): string =>
  "mode" in symmetric
    ? `0x${symmetric.algorithm.toString(16)}/${symmetric.keyBits}/0x${symmetric.mode.toString(16)}`
    : `0x${symmetric.algorithm.toString(16)}`

const hex32 = (value: number): string => value.toString(16).padStart(8, "0")

/** The first field in which a key departs from a template, or undefined when it is exactly such a key. */
export const departureFrom = (template: Template, key: TpmtPublic): Departure | undefined => {
  const differs = (field: string, found: string, expected: string): Departure | undefined =>
    found === expected
      ? undefined
      : { field, message: `${field} is ${found || "empty"}, ${template.title} has ${expected || "none"}` }
  const wrong = differs("type", `0x${key.type.toString(16)}`, `0x${template.type.toString(16)}`) ??
    differs("nameAlg", `0x${key.nameAlgorithm.toString(16)}`, `0x${template.nameAlgorithm.toString(16)}`) ??
    differs("objectAttributes", hex32(key.attributes), hex32(template.attributes)) ??
    differs("authPolicy", toHex(key.authPolicy), template.authPolicy) ??
    differs("symmetric", symmetricText(key.symmetric), symmetricText(template.symmetric)) ??
    differs("scheme", schemeText(key.scheme), schemeText(template.scheme))
  if (wrong !== undefined) return wrong
  if (key.type === Algorithm.ecc) {
    return differs("curveID", String(key.curve), String(template.curve)) ??
      differs("kdf", schemeText(key.kdf), schemeText({ algorithm: Algorithm.null })) ??
      (onCurve(key) ? undefined : { field: "unique", message: "unique is not a point on the curve" })
  }
  // NULL means 65537, and a TPM that was asked for the default answers 0 (TPM 2.0 part 2, 12.2.3.5).
  return differs("keyBits", String(key.keyBits), String(template.keyBits)) ??
    differs("exponent", String(key.exponent), "0") ??
    (modulusIsPlausible(key.modulus, key.keyBits)
      ? undefined
      : { field: "unique", message: `unique is not an odd modulus of exactly ${key.keyBits} bits` })
}

const modulusIsPlausible = (modulus: Uint8Array, keyBits: number): boolean =>
  modulus.length * 8 === keyBits && (modulus.at(0) ?? 0) >= 0x80 && (modulus.at(-1) ?? 0) % 2 === 1
