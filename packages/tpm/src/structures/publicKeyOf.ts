import { createPublicKey, type KeyObject } from "node:crypto"
import { Algorithm, EccCurve } from "./Algorithm.ts"
import { ByteWriter } from "./ByteWriter.ts"
import { coordinateSize, paddedTo, type TpmtPublic } from "./TpmtPublic.ts"

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url")

/**
 * The key of a TPMT_PUBLIC for node:crypto, RSA, P-256 or P-384. None when it is no usable key: another curve, a coordinate
 * that is too long, a point beside the curve.
 */
export const publicKeyOf = (area: TpmtPublic): KeyObject | undefined => {
  try {
    if (area.type === Algorithm.rsa) {
      const exponent = area.exponent === 0 ? 65_537 : area.exponent
      const e = base64url(new ByteWriter().u32(exponent).done())
      return createPublicKey({ format: "jwk", key: { kty: "RSA", n: base64url(area.modulus), e } })
    }
    if (area.curve !== EccCurve.p256 && area.curve !== EccCurve.p384) return undefined
    const size = coordinateSize(area.curve)
    const x = paddedTo(size, area.x)
    const y = paddedTo(size, area.y)
    if (x === undefined || y === undefined) return undefined
    const crv = area.curve === EccCurve.p384 ? "P-384" : "P-256"
    return createPublicKey({ format: "jwk", key: { kty: "EC", crv, x: base64url(x), y: base64url(y) } })
  } catch {
    // What node:crypto says comes from OpenSSL and names nothing that a caller could act on.
    return undefined
  }
}
