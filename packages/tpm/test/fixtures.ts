import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Effect, Result } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { attestationKeyTemplate } from "../src/identity/AttestationKey.ts"
import { endorsementKeyTemplates } from "../src/identity/EndorsementKey.ts"
import type { Template } from "../src/identity/template.ts"
import { Algorithm, EccCurve } from "../src/structures/Algorithm.ts"
import { fromHex } from "../src/structures/Hex.ts"
import type { TpmtPublic } from "../src/structures/TpmtPublic.ts"

export const bytes = (hex: string): Uint8Array => Result.getOrThrow(fromHex(hex.replace(/\s/g, ""), "fixture"))

/** The endorsement key (P-256) and attestation key of one swtpm, and the Name that tpm2_readpublic 5.4 gave. */
export const ekHex = "007a0023000b000300b20020837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa" +
  "0006008000430010000300100020c26340bbc9cc27e3c3c2f01afcd8da9475c206aa315641cf4e1f5f25114cebc8" +
  "00202672fa59c3c3cb97599f893853472e85a32ed8c77b9b6a3dda1ef01138fa88ee"
export const akHex =
  "00580023000b00050472000000100018000b0003001000204f49798d6e595fb9b104faee292c24827b7561563e707839" +
  "362380d485e3f10500206e4586889b36990aec75d09bb5b1b854d3e783c10513e9c945045ce356f64d76"
export const akNameHex = "000b4debda0b5a0f83f65b5c8096a68752d077def053b3a4611d3734bbbf3387e14e"

const coordinate = (value: string | undefined): Uint8Array => new Uint8Array(Buffer.from(value ?? "", "base64url"))

/** A new key of a template, made by node:crypto: what a forger without a TPM can do best. */
export const keyOf = (template: Template): TpmtPublic => {
  const common = {
    nameAlgorithm: template.nameAlgorithm === Algorithm.sha384 ? Algorithm.sha384 : Algorithm.sha256,
    attributes: template.attributes,
    authPolicy: bytes(template.authPolicy),
    symmetric: template.symmetric,
    scheme: template.scheme
  }
  if (template.type === Algorithm.rsa) {
    const { n } = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" })
    return { type: Algorithm.rsa, ...common, keyBits: 2048, exponent: 0, modulus: coordinate(n) }
  }
  const curve = template.curve ?? EccCurve.p256
  const namedCurve = curve === EccCurve.p384 ? "P-384" : "P-256"
  const { x, y } = generateKeyPairSync("ec", { namedCurve }).publicKey.export({ format: "jwk" })
  return {
    type: Algorithm.ecc,
    ...common,
    curve,
    kdf: { algorithm: Algorithm.null },
    x: coordinate(x),
    y: coordinate(y)
  }
}

export const kinds: ReadonlyArray<EndorsementKeyKind> = ["ecc-p256", "rsa-2048", "ecc-p384"]
export const endorsementKeys = kinds.map((kind) => ({ kind, key: keyOf(endorsementKeyTemplates[kind]) }))
export const attestationKey = keyOf(attestationKeyTemplate)

/** A small generator of repeatable numbers, for mutations (mulberry32). */
export const numbers = (seed: number) => {
  let state = seed >>> 0
  return (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Changes a byte, cuts, grows, or splices: what a hostile or broken peer may send. */
export const mutated = (from: Uint8Array, next: (below: number) => number): Uint8Array => {
  const at = next(from.length)
  switch (next(4)) {
    case 0: {
      const changed = from.slice()
      changed[at] = next(256)
      return changed
    }
    case 1:
      return from.slice(0, at)
    case 2:
      return Uint8Array.from([...from, ...Array.from({ length: 1 + next(8) }, () => next(256))])
    default:
      return Uint8Array.from([...from.subarray(0, at), next(256), next(256), ...from.subarray(at + next(4))])
  }
}

export const failure = <A, E>(result: Result.Result<A, E>): E => Effect.runSync(Effect.flip(Effect.fromResult(result)))
