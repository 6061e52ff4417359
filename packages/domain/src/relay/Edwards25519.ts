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

/** A point as it is added to others: what of it each addition would compute. */
interface Addend {
  readonly sum: bigint
  readonly difference: bigint
  readonly z2: bigint
  readonly dt2: bigint
}

/** Congruent, and as negative as the value: sums and products need no more, and a comparison each time is saved. */
const mod = (value: bigint): bigint => value % P

const least = (value: bigint): bigint => {
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

const addendOf = ({ t, x, y, z }: Point): Addend => ({
  sum: y + x,
  difference: y - x,
  z2: 2n * z,
  dt2: mod(2n * D * t)
})

/** -P is (-x, y). */
const negated = ({ difference, dt2, sum, z2 }: Addend): Addend => ({ sum: difference, difference: sum, z2, dt2: -dt2 })

const add = (one: Point, other: Addend): Point => {
  const a = mod((one.y - one.x) * other.difference)
  const b = mod((one.y + one.x) * other.sum)
  const c = mod(one.t * other.dt2)
  const d = mod(one.z * other.z2)
  return assemble(b - a, d - c, d + c, b + a)
}

const assemble = (e: bigint, f: bigint, g: bigint, h: bigint): Point => ({
  x: mod(e * f),
  y: mod(g * h),
  z: mod(f * g),
  t: mod(e * h)
})

/** By Euclid's extended algorithm, which takes a third of the time of a power. */
const inverse = (value: bigint): bigint => {
  let [older, newer] = [least(value), P]
  let [coefficient, next] = [1n, 0n]
  while (newer !== 0n) {
    const quotient = older / newer
    ;[older, newer] = [newer, older - quotient * newer]
    ;[coefficient, next] = [next, coefficient - quotient * next]
  }
  return mod(coefficient)
}

/** Bits of the scalar that one addition takes care of, by a digit between -8 and 8. */
const WINDOW = 4n
const DIGITS = 16
const LARGEST = DIGITS / 2

/** Digits of a scalar of 32 bytes, and one for what the largest carries over. */
const WINDOWS = 65

/**
 * `multiplesOfBase()[i][j - 1]` is j * 16^i * B. Half a dozen derivations' work, made when the first is asked for; then a
 * derivation is 65 additions and no doubling, which tells where a node starts with 64 relays' keys.
 */
let table: ReadonlyArray<ReadonlyArray<Addend>> | undefined
const multiplesOfBase = () => (table ??= makeMultiples())

const makeMultiples = (): ReadonlyArray<ReadonlyArray<Addend>> => {
  const rows: Array<ReadonlyArray<Addend>> = []
  let multiple = BASE
  for (let window = 0; window < WINDOWS; window++) {
    const unit = addendOf(multiple)
    const row = [unit]
    while (row.length < LARGEST) {
      multiple = add(multiple, unit)
      row.push(addendOf(multiple))
    }
    rows.push(row)
    multiple = add(multiple, addendOf(multiple))
  }
  return rows
}

/** The public key, 32 bytes as RFC 8032, section 5.1.2 encodes them, of a scalar of 32 bytes, least significant first. */
export const publicPointOf = (scalar: Uint8Array): Uint8Array => {
  let bits = BigInt(`0x${Hex.encode(scalar.toReversed())}`)
  let point = NEUTRAL
  for (const row of multiplesOfBase()) {
    const low = Number(BigInt.asUintN(Number(WINDOW), bits))
    const digit = low > LARGEST ? low - DIGITS : low
    bits = (bits - BigInt(digit)) >> WINDOW
    const multiple = row[Math.abs(digit) - 1]
    if (multiple !== undefined) point = add(point, digit < 0 ? negated(multiple) : multiple)
  }
  const inverseOfZ = inverse(point.z)
  const x = least(point.x * inverseOfZ)
  const y = least(point.y * inverseOfZ)
  return Result.getOrThrow(Hex.decode((y | ((x & 1n) << 255n)).toString(16).padStart(64, "0"))).toReversed()
}
