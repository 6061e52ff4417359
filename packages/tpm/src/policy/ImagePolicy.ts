import { PcrNumbers } from "@patela/domain/attestation/BootEvidence"
import { Context, Effect, Layer, Option, Ref, Schema } from "effect"
import { TpmtPublicFromHex } from "../structures/TpmtPublic.ts"

/** Lower-case hexadecimal digits, an even number of them. */
const hex = (bytes: { readonly least: number; readonly most: number }) =>
  Schema.String.pipe(
    Schema.check(Schema.isPattern(new RegExp(`^(?:[0-9a-f]{2}){${bytes.least},${bytes.most}}$`)))
  )

/**
 * A policy that the operator approved: the digest of PolicyPCR over these PCRs of SHA-256 in rising order, 12 to 14 unless
 * told, and a TPMT_SIGNATURE over it (TPM 2.0 part 2, 11.3.4).
 */
export const ApprovedPolicy = Schema.Struct({
  policy: hex({ least: 32, most: 32 }),
  signature: hex({ least: 8, most: 160 }),
  pcrs: Schema.optionalKey(PcrNumbers)
})
export type ApprovedPolicy = typeof ApprovedPolicy.Type

/** Which images may open the key store: the operator's public key, and what it approved. Travels with the configuration. */
export const ImagePolicy = Schema.Struct({
  key: TpmtPublicFromHex,
  approved: Schema.Array(ApprovedPolicy)
})
export type ImagePolicy = typeof ImagePolicy.Type

/** Where a transport learns of the policy, each time that it needs one. */
export type ImagePolicySource = Effect.Effect<Option.Option<ImagePolicy>>

/** The image policy that the server told last. None means that stores are the owner's. */
export class CurrentImagePolicy extends Context.Service<CurrentImagePolicy, {
  readonly get: ImagePolicySource
  readonly set: (policy: Option.Option<ImagePolicy>) => Effect.Effect<void>
}>()("@patela/tpm/policy/CurrentImagePolicy") {
  static readonly layer = Layer.effect(
    CurrentImagePolicy,
    Effect.map(
      Ref.make(Option.none<ImagePolicy>()),
      (ref) => CurrentImagePolicy.of({ get: Ref.get(ref), set: (policy) => Ref.set(ref, policy) })
    )
  )
}
