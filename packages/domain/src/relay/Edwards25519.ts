import { Result } from "effect"
import * as Hex from "effect/encoding/Hex"

/**
 * The public point of an ed25519 scalar, by the formulas of RFC 8032, section 5.1.4 (extended coordinates).
 *
 * Needed because tor keeps its master identity as an *expanded* secret (the scalar itself, RFC 8032, section 5.1.5,
 * step 2), and node:crypto takes seeds alone: a seed cannot be had from a scalar.
 *
 * Not constant-time: BigInt arithmetic depends on the values. It runs once for a key that has changed, on the machine
 * that holds the key, with no input that anybody else chooses, and its result is a public value; nobody can ask for
 * it again and again to measure it. It is never used to sign.
 */
const P = 2n ** 255n - 19n
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n

interface Point {
  readonly x: bigint
  readonly y: bigint
  readonly z: bigint
  readonly t: bigint
}

const mod = (value: bigint): bigint => {
  const rest = value % P
  return rest < 0n ? rest + P : rest
}

const pointAt = (x: bigint, y: bigint): Point => ({ x, y, z: 1n, t: mod(x * y) })

/** RFC 8032, section 5.1: the base point B. */
const BASE = pointAt(
  15112221349535400772501151409588531511454012693041857206046113283949847762202n,
  46316835694926478169428394003475163141307993866256225615783033603165251855960n
)
const NEUTRAL = pointAt(0n, 1n)

const add = (one: Point, other: Point): Point => {
  const a = mod((one.y - one.x) * (other.y - other.x))
  const b = mod((one.y + one.x) * (other.y + other.x))
  const c = mod(2n * D * mod(one.t * other.t))
  const d = mod(2n * one.z * other.z)
  return assemble(b - a, d - c, d + c, b + a)
}

const assemble = (e: bigint, f: bigint, g: bigint, h: bigint): Point => ({
  x: mod(e * f),
  y: mod(g * h),
  z: mod(f * g),
  t: mod(e * h)
})

/** Fermat's inverse: z^(p-2). */
const inverse = (value: bigint): bigint => {
  let result = 1n
  let base = mod(value)
  for (let exponent = P - 2n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = mod(result * base)
    base = mod(base * base)
  }
  return result
}

/** Bits of the scalar that one addition takes care of. */
const WINDOW = 4n
const DIGITS = 16

/**
 * `multiplesOfBase()[i][j]` is j * 16^i * B. Half a dozen derivations' work, made when the first is asked for; then a
 * derivation is 63 additions and no doubling, which tells where a node starts with 64 relays' keys.
 */
let table: ReadonlyArray<ReadonlyArray<Point>> | undefined
const multiplesOfBase = () => (table ??= makeMultiples())

const makeMultiples = (): ReadonlyArray<ReadonlyArray<Point>> => {
  const rows: Array<ReadonlyArray<Point>> = []
  let unit = BASE
  for (let window = 0n; window < 256n; window += WINDOW) {
    const row = [NEUTRAL]
    let multiple = NEUTRAL
    for (let digit = 1; digit < DIGITS; digit++) {
      multiple = add(multiple, unit)
      row.push(multiple)
    }
    rows.push(row)
    unit = add(multiple, unit)
  }
  return rows
}

/** The public key, 32 bytes as RFC 8032, section 5.1.2 encodes them, of a scalar of 32 bytes, least significant first. */
export const publicPointOf = (scalar: Uint8Array): Uint8Array => {
  let bits = BigInt(`0x${Hex.encode(scalar.toReversed())}`)
  let point = NEUTRAL
  for (const row of multiplesOfBase()) {
    point = add(point, row[Number(bits % BigInt(DIGITS))] ?? NEUTRAL)
    bits >>= WINDOW
  }
  const inverseOfZ = inverse(point.z)
  const x = mod(point.x * inverseOfZ)
  const y = mod(point.y * inverseOfZ)
  return Result.getOrThrow(Hex.decode((y | ((x & 1n) << 255n)).toString(16).padStart(64, "0"))).toReversed()
}
