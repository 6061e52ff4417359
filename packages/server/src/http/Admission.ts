import { TokenRefused } from "@patela/domain/api/Problems"
import { Context, Effect, Layer, Option, type Redacted } from "effect"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Tokens } from "../session/Tokens.ts"

const refused = (detail: string) => new TokenRefused({ detail })

/**
 * Admits a token that verifies, whose node is enabled now, and since which no epoch began. All three are looked up each
 * time, so that disabling a node works at once.
 */
export class Admission extends Context.Service<Admission, {
  readonly admit: (token: Redacted.Redacted<string>) => Effect.Effect<NodeRow, TokenRefused>
}>()("@patela/server/http/Admission") {
  static readonly layer = Layer.effect(
    Admission,
    Effect.gen(function*() {
      const tokens = yield* Tokens
      const nodes = yield* Nodes
      return Admission.of({
        admit: Effect.fn("Admission.admit")(function*(token: Redacted.Redacted<string>) {
          const claims = yield* tokens.verify(token).pipe(Effect.mapError(({ message }) => refused(message)))
          const node = Option.getOrUndefined(yield* Effect.orDie(nodes.find(claims.node)))
          if (node === undefined || !node.enabled) return yield* refused("the node of this token is not enabled")
          if (node.epoch !== claims.epoch) {
            return yield* refused("the node was disabled or enabled since this token was made; authenticate again")
          }
          return node
        })
      })
    })
  )
}
