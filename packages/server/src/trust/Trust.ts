import { TierTooLow } from "@patela/domain/api/Problems"
import type { EndorsementKey } from "@patela/tpm/identity/EndorsementKey"
import { Context, Effect, Layer, Option } from "effect"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { Nodes } from "../nodes/Nodes.ts"
import type { StoreFailed } from "../store/StoreFailed.ts"
import { ekHashOf } from "./EkHash.ts"
import { EndorsementRoots } from "./EndorsementRoots.ts"
import { TrustPolicy } from "./TrustPolicy.ts"
import { reaches } from "./TrustTier.ts"

/** Judges where an endorsement key stands, at each request. */
export class Trust extends Context.Service<Trust, {
  /**
   * Notes what the certificates that came with a request prove. That is of the key and not of who sent them, so anybody
   * may show them; what was proved once is not taken back by showing none, or others.
   */
  readonly certify: (
    node: NodeRow,
    endorsementKey: EndorsementKey,
    certificates: ReadonlyArray<Uint8Array>
  ) => Effect.Effect<NodeRow, StoreFailed>
  /** Fails where the node's tier is lower than the lowest that is accepted. */
  readonly accept: (node: NodeRow) => Effect.Effect<void, TierTooLow | StoreFailed>
}>()("@patela/server/trust/Trust") {
  static readonly layer = Layer.effect(
    Trust,
    Effect.gen(function*() {
      const roots = yield* EndorsementRoots
      const policy = yield* TrustPolicy
      const nodes = yield* Nodes
      // A root that the operator took away vouches for nobody any more, also for whom it did.
      const stillVouched = (node: NodeRow) => node.ek_root !== null && roots.has(node.ek_root)

      const certify = Effect.fn("Trust.certify")(
        function*(node: NodeRow, endorsementKey: EndorsementKey, certificates: ReadonlyArray<Uint8Array>) {
          if (certificates.length === 0 || stillVouched(node)) return node
          const root = Option.getOrUndefined(yield* roots.vouching(endorsementKey, certificates))
          if (root === undefined) return node
          yield* nodes.saveRoot(node.id, root)
          return { ...node, ek_root: root }
        }
      )

      const accept = Effect.fn("Trust.accept")(function*(node: NodeRow) {
        const lowest = yield* policy.lowest
        if (lowest === "first-use") return
        const tier = yield* policy.tier(stillVouched(node) ? node : { ...node, ek_root: null })
        if (reaches(tier, lowest)) return
        const hash = ekHashOf(node.ek_public)
        return yield* new TierTooLow({
          detail: `The endorsement key of node ${node.id} is ${tier}, and this server accepts ${lowest} or better. ` +
            `On the server: patela policy allow-ek ${hash}, or patela policy tier`
        })
      })

      return Trust.of({ certify, accept })
    })
  )
}
