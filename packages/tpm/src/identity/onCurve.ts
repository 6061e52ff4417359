import { EccCurve } from "../structures/Algorithm.ts"
import { toHex } from "../structures/Hex.ts"
import { coordinateSize, type EccPublic } from "../structures/TpmtPublic.ts"

/** The field prime and b of y^2 = x^3 - 3x + b (NIST SP 800-186, 3.2.1.3 and 3.2.1.4). */
const parameters = new Map<number, { readonly p: bigint; readonly b: bigint }>([
  [EccCurve.p256, {
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn
  }],
  [EccCurve.p384, {
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn
  }]
])

const toBigInt = (bytes: Uint8Array): bigint => BigInt(`0x0${toHex(bytes)}`)

/**
 * Whether the point lies on its curve, P-256 or P-384. A point beside the curve would let whoever chose it learn about
 * the secret of the exchange (NIST SP 800-56A, 5.6.2.3.4). All values are public, so the time taken may vary.
 */
export const onCurve = ({ curve, x, y }: EccPublic): boolean => {
  const found = parameters.get(curve)
  if (found === undefined || x.length > coordinateSize(curve) || y.length > coordinateSize(curve)) return false
  const { p, b } = found
  const px = toBigInt(x)
  const py = toBigInt(y)
  return px < p && py < p && (py * py - (px * px * px - 3n * px + b)) % p === 0n
}
