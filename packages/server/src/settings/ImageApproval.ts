import type { ImagePolicyText } from "@patela/domain/node/NodeConfig"
import { approveImage, operatorKeyPublic, type UnfitOperatorKey } from "@patela/tpm/policy/approveImage"
import { encodePublicHex } from "@patela/tpm/structures/TpmtPublic"
import { Context, Effect, Layer, Option, Schema } from "effect"
import type { KeyObject } from "node:crypto"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { Settings } from "./Settings.ts"

/** Images were approved by another key, and what nodes store is bound to that one. */
export class OtherOperatorKey extends Schema.TaggedError<OtherOperatorKey>()("OtherOperatorKey", {
  message: Schema.String
}) {}

/** Approves images; the change and its entry in the audit log are one transaction. */
export class ImageApproval extends Context.Service<ImageApproval, {
  /**
   * Signs the policy over these values of PCRs of SHA-256, by their numbers, with the operator's private key, and tells nodes
   * of it. Gives the policy's digest, and how many are approved with it.
   */
  readonly sign: (
    who: string,
    key: KeyObject,
    pcrs: ReadonlyMap<number, Uint8Array>
  ) => Effect.Effect<
    { readonly policy: string; readonly approved: number },
    UnfitOperatorKey | OtherOperatorKey | StoreFailed
  >
}>()("@patela/server/settings/ImageApproval") {
  static readonly layer = Layer.effect(
    ImageApproval,
    Effect.gen(function*() {
      const generation = yield* Generation
      const settings = yield* Settings
      const audit = yield* Audit

      const store = Effect.fnUntraced(
        function*(who: string, policy: ImagePolicyText, digest: string) {
          yield* settings.saveImagePolicy(policy)
          yield* audit.record({ who, what: "policy sign-image", before: null, after: digest })
        },
        generation.change,
        asStoreFailed("approve the image")
      )

      const sign = Effect.fn("ImageApproval.sign")(
        function*(who: string, key: KeyObject, pcrs: ReadonlyMap<number, Uint8Array>) {
          const area = encodePublicHex(yield* Effect.fromResult(operatorKeyPublic(key)))
          const before = Option.getOrElse(yield* settings.imagePolicy, () => ({ key: area, approved: [] }))
          if (before.key !== area) {
            return yield* new OtherOperatorKey({
              message:
                "Images were signed with another key before, and what nodes keep is bound to that one: sign with it. " +
                "Nothing was changed."
            })
          }
          const approved = approveImage(key, pcrs)
          if (before.approved.some(({ policy }) => policy === approved.policy)) {
            return { policy: approved.policy, approved: before.approved.length }
          }
          const after = { key: area, approved: [...before.approved, approved] }
          yield* store(who, after, approved.policy)
          return { policy: approved.policy, approved: after.approved.length }
        }
      )
      return ImageApproval.of({ sign })
    })
  )
}
