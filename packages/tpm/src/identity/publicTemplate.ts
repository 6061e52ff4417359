import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Result } from "effect"
import { Algorithm } from "../structures/Algorithm.ts"
import { fromHex } from "../structures/Hex.ts"
import { coordinateSize, type TpmtPublic } from "../structures/TpmtPublic.ts"
import { attestationKeyTemplate } from "./AttestationKey.ts"
import { endorsementKeyTemplates } from "./EndorsementKey.ts"
import type { Template } from "./template.ts"

/** The public area that a key of a template is made from. `unique` is so many zero bytes, or none. */
const publicOf = (template: Template, unique: "zeros" | "none"): TpmtPublic => {
  const { attributes, scheme, symmetric } = template
  const nameAlgorithm = template.nameAlgorithm === Algorithm.sha384 ? Algorithm.sha384 : Algorithm.sha256
  const authPolicy = Result.getOrThrow(fromHex(template.authPolicy, "authPolicy"))
  const common = { nameAlgorithm, attributes, authPolicy, symmetric, scheme } as const
  const zeros = (size: number) => new Uint8Array(unique === "zeros" ? size : 0)
  if (template.type === Algorithm.rsa) {
    const keyBits = template.keyBits ?? 2048
    return { type: Algorithm.rsa, ...common, keyBits, exponent: 0, modulus: zeros(keyBits / 8) }
  }
  const curve = template.curve ?? 0
  const size = coordinateSize(curve)
  return { type: Algorithm.ecc, ...common, curve, kdf: { algorithm: Algorithm.null }, x: zeros(size), y: zeros(size) }
}

/**
 * What an endorsement key is made from. The templates of the low range have zeros for the unique value, those of the high
 * range an empty one (TCG EK Credential Profile, B.3 and B.4).
 */
export const endorsementKeyPublic = (kind: EndorsementKeyKind): TpmtPublic =>
  publicOf(endorsementKeyTemplates[kind], kind === "ecc-p384" ? "none" : "zeros")

/** What the attestation key is made from: with an empty unique value, as tpm2_createprimary has it. */
export const attestationKeyPublic: TpmtPublic = publicOf(attestationKeyTemplate, "none")
