import { PatelaApi } from "@patela/domain/api/PatelaApi"
import {
  IdentityRefused,
  NodeNotEnabled,
  OtherEndorsementKey,
  ProofRefused,
  WaitingListFull
} from "@patela/domain/api/Problems"
import type { ProvedKeys } from "@patela/domain/api/Proof"
import type { AuthRequest, ProofRequest } from "@patela/domain/api/PublicApi"
import { type EndorsementKey, endorsementKeyFromHex } from "@patela/tpm/identity/EndorsementKey"
import { Clock, Effect, Option, Result } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { BootPolicy } from "../boot/BootPolicy.ts"
import { AuthLimits } from "../limits/AuthLimits.ts"
import { retryAfter } from "../limits/retryAfter.ts"
import { sourceOf } from "../limits/sourceOf.ts"
import { knownIdentities } from "../nodes/knownIdentities.ts"
import { mayProve, type NodeIdentity, type NodeRow } from "../nodes/NodeRow.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { stateOf } from "../nodes/NodeView.ts"
import { WaitingBound } from "../nodes/WaitingBound.ts"
import { newChallenge } from "../session/challenge.ts"
import { keysDigest } from "../session/keysDigest.ts"
import { TOKEN_LIFE } from "../session/lifetimes.ts"
import { Proofs } from "../session/Proofs.ts"
import { sealToken } from "../session/sealToken.ts"
import { Tokens } from "../session/Tokens.ts"
import { Trust } from "../trust/Trust.ts"

interface Asked<Payload> {
  readonly payload: Payload
  readonly request: HttpServerRequest.HttpServerRequest
}

const kindOf = (node: NodeRow) =>
  Option.map(Result.getSuccess(endorsementKeyFromHex(node.ek_public)), ({ kind }) => kind)

/** When to ask again where the waiting list is full, in seconds: room comes when a person or time makes it. */
const FULL_RETRY = 60

/**
 * What anybody can ask. All that it ever writes is a waiting machine, when that was last seen, that it proved its keys,
 * and that a vendor's root vouched for an endorsement key. None of it changes which keys a node has, or is taken back.
 */
export const PublicGroup = HttpApiBuilder.group(
  PatelaApi,
  "public",
  Effect.fn(function*(handlers) {
    const nodes = yield* Nodes
    const tokens = yield* Tokens
    const proofs = yield* Proofs
    const trust = yield* Trust
    const bound = yield* WaitingBound
    const limits = yield* AuthLimits
    const boots = yield* BootPolicy
    const checked = knownIdentities()

    const identified = (payload: ProvedKeys) =>
      Effect.fromResult(checked(payload)).pipe(Effect.mapError((detail) => new IdentityRefused({ detail })))

    /** Who was enabled with another of its endorsement keys: that node and the kind of key. */
    const enabledBefore = Effect.fnUntraced(function*(identity: NodeIdentity, { kind }: EndorsementKey) {
      for (const node of yield* Effect.orDie(nodes.everEnabled(identity))) {
        const before = kindOf(node)
        if (Option.isSome(before) && before.value !== kind) return { node, kind: before.value }
      }
      return undefined
    })

    /** The machine that asks, stored as waiting where it was never seen. */
    const machine = Effect.fnUntraced(function*(identity: NodeIdentity, key: EndorsementKey, source: string) {
      const known = Option.getOrUndefined(yield* Effect.orDie(nodes.known(identity)))
      const before = known === undefined || stateOf(known) === "waiting"
        ? yield* enabledBefore(identity, key)
        : undefined
      const counted = known ?? before?.node
      if (counted === undefined) yield* limits.unknown(source)
      else yield* limits.known(source, counted.id)
      if (before !== undefined) {
        return yield* new OtherEndorsementKey({
          detail:
            `Node ${before.node.id} has this attestation key, and was enabled with its ${before.kind} endorsement ` +
            `key, not with this one of ${key.kind}. It stays known by that: ask again with it`,
          endorsement_key: before.kind
        })
      }
      if (known !== undefined) return known
      const node = Option.getOrUndefined(yield* Effect.orDie(nodes.enlist(identity, bound)))
      if (node !== undefined) return node
      return yield* new WaitingListFull({
        detail: `${bound.machines} machines wait to be enabled already. Enable some on the server first`,
        retry_after: FULL_RETRY
      })
    }, Effect.tapError((error) => "retry_after" in error ? retryAfter(error.retry_after) : Effect.void))

    const auth = Effect.fn("public.auth")(function*({ payload, request }: Asked<AuthRequest>) {
      const { akName, endorsementKey: key, identity } = yield* identified(payload)
      const source = sourceOf(Option.getOrUndefined(request.remoteAddress))
      const found = yield* machine(identity, key, source)
      const certificates = (payload.ek_certificates ?? []).map((text) => new Uint8Array(Buffer.from(text, "hex")))
      const node = yield* Effect.orDie(trust.certify(found, key, certificates))
      const endorsementKey = key.public
      const accepted = trust.accept(node).pipe(Effect.catchTag("StoreFailed", Effect.die))
      if (!node.enabled) {
        const proof = mayProve(node) ? yield* proofs.ask(node, endorsementKey, akName) : undefined
        const tooLow = yield* Effect.match(accepted, {
          onSuccess: () => "",
          onFailure: ({ message }) => `. ${message}`
        })
        return yield* new NodeNotEnabled({
          detail:
            `This machine is node ${node.id} and not yet enabled. On the server: patela enable ${node.id}${tooLow}`,
          ...proof === undefined ? {} : { proof }
        })
      }
      yield* accepted
      const challenge = newChallenge()
      const made = yield* Clock.currentTimeMillis
      const token = yield* tokens.mint({ node: node.id, epoch: node.epoch, keys: keysDigest(node), challenge, made })
      const sealed = yield* sealToken({ token, challenge, made, request: payload, endorsementKey, akName }).pipe(
        Effect.mapError(({ field, message }) => new IdentityRefused({ detail: `ek_public, ${field}: ${message}` }))
      )
      const first = node.authenticated_at === null
      const asked = (yield* Effect.orDie(boots.enforcement)) === "off"
        ? {}
        : { boot: yield* Effect.orDie(boots.selection) }
      const answer = { ...sealed, token_life: TOKEN_LIFE / 1000, ...asked }
      return first ? { ...answer, first: true } as const : { ...answer, first: false } as const
    })

    const proof = Effect.fn("public.proof")(function*({ payload, request }: Asked<ProofRequest>) {
      const { identity } = yield* identified(payload)
      const node = Option.getOrUndefined(yield* Effect.orDie(nodes.known(identity)))
      // Whoever was never seen has no challenge, and is not taken onto the list by this.
      if (node === undefined) return yield* new ProofRefused({ detail: "No machine with these keys waits here" })
      yield* limits.known(sourceOf(Option.getOrUndefined(request.remoteAddress)), node.id).pipe(
        Effect.tapError(({ retry_after }) => retryAfter(retry_after))
      )
      const fault = yield* proofs.fault(node, payload)
      if (fault !== undefined) return yield* new ProofRefused({ detail: `The proof is refused: ${fault}` })
      if (!(yield* Effect.orDie(nodes.prove(node.id)))) {
        return yield* new ProofRefused({
          detail: `Node ${node.id} does not wait for a proof: it gave one, or waits no more`
        })
      }
      yield* Effect.logInfo(`node ${node.id}, which waits to be enabled, proved that it holds its keys`)
    })

    return handlers.handleAll({ auth, proof })
  })
)
