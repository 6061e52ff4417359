import { Authorization, CurrentNode } from "@patela/domain/api/Authorization"
import { TokenRefused } from "@patela/domain/api/Problems"
import { Effect, Layer, Option } from "effect"
import { Nodes } from "../nodes/Nodes.ts"
import { Tokens } from "../session/Tokens.ts"

const refused = (detail: string) => new TokenRefused({ detail })

/**
 * Lets a private request through when its token verifies, its node is enabled now, and no epoch began since the token was
 * made. All three are looked up on each request, so that disabling a node works at once.
 */
export const TokenAuthorization = Layer.effect(
  Authorization,
  Effect.gen(function*() {
    const tokens = yield* Tokens
    const nodes = yield* Nodes
    return Authorization.of({
      bearer: Effect.fn("Authorization.bearer")(function*(httpEffect, { credential }) {
        const claims = yield* tokens.verify(credential).pipe(Effect.mapError(({ message }) => refused(message)))
        const node = Option.getOrUndefined(yield* Effect.orDie(nodes.find(claims.node)))
        if (node === undefined || !node.enabled) return yield* refused("the node of this token is not enabled")
        if (node.epoch !== claims.epoch) {
          return yield* refused("the node was disabled or enabled since this token was made; authenticate again")
        }
        yield* Effect.orDie(nodes.authenticated(node))
        return yield* Effect.provideService(httpEffect, CurrentNode, { id: node.id })
      })
    })
  })
)
