import { PatelaApi } from "@patela/domain/api/PatelaApi"
import { IdentityRefused, NodeNotEnabled, WaitingListFull } from "@patela/domain/api/Problems"
import type { AuthRequest } from "@patela/domain/api/PublicApi"
import { Clock, Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { checkIdentity } from "../nodes/checkIdentity.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { WaitingBound } from "../nodes/WaitingBound.ts"
import { newChallenge } from "../session/challenge.ts"
import { keysDigest } from "../session/keysDigest.ts"
import { TOKEN_LIFE } from "../session/lifetimes.ts"
import { sealToken } from "../session/sealToken.ts"
import { Tokens } from "../session/Tokens.ts"

/** POST /public/auth. Anybody can call it, so all that it ever writes is a waiting machine and when it was last seen. */
export const PublicGroup = HttpApiBuilder.group(
  PatelaApi,
  "public",
  Effect.fn(function*(handlers) {
    const nodes = yield* Nodes
    const tokens = yield* Tokens
    const bound = yield* WaitingBound

    const auth = Effect.fn("public.auth")(function*({ payload }: { readonly payload: AuthRequest }) {
      const checked = yield* Effect.fromResult(checkIdentity(payload)).pipe(
        Effect.mapError((detail) => new IdentityRefused({ detail }))
      )
      const node = Option.getOrUndefined(yield* Effect.orDie(nodes.enlist(checked.identity, bound.machines)))
      if (node === undefined) {
        return yield* new WaitingListFull({
          detail: `${bound.machines} machines wait to be enabled already. Enable or clear some on the server first`
        })
      }
      if (!node.enabled) {
        return yield* new NodeNotEnabled({
          detail: `This machine is node ${node.id} and not yet enabled. On the server: patela enable ${node.id}`
        })
      }
      const challenge = newChallenge()
      const made = yield* Clock.currentTimeMillis
      const token = yield* tokens.mint({ node: node.id, epoch: node.epoch, keys: keysDigest(node), challenge, made })
      const { endorsementKey, akName } = checked
      const sealed = yield* sealToken({ token, challenge, made, request: payload, endorsementKey, akName }).pipe(
        Effect.mapError(({ field, message }) => new IdentityRefused({ detail: `ek_public, ${field}: ${message}` }))
      )
      const first = node.authenticated_at === null
      yield* Effect.logInfo(`node ${node.id} is given a credential: ${first ? "201, its first" : "200"}`)
      const answer = { ...sealed, token_life: TOKEN_LIFE / 1000 }
      return first ? { ...answer, first: true } as const : { ...answer, first: false } as const
    })

    return handlers.handle("auth", auth)
  })
)
