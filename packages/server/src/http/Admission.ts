import { type BootNotAllowed, TokenRefused } from "@patela/domain/api/Problems"
import { Context, Effect, Layer, Option, type Redacted } from "effect"
import { BootGate } from "../boot/BootGate.ts"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { keysDigest } from "../session/keysDigest.ts"
import { Sessions } from "../session/Sessions.ts"
import { Tokens } from "../session/Tokens.ts"
import { Trust } from "../trust/Trust.ts"

const refused = (detail: string) => new TokenRefused({ detail })

const NO_SESSION = {
  "used or ended": "the challenge of this token was used, and its session has ended; authenticate again",
  "old key": "this token was made with an old key, which begins no session any more; authenticate again",
  "too late": "the challenge of this token was not used within 60 seconds; authenticate again"
} as const

/** A session of a node. */
export interface Entered {
  readonly node: NodeRow
  /** What it began with. */
  readonly challenge: string
}

/**
 * Admits a token that this server signed, whose checks hold for its node as it stands now, and whose challenge began the
 * session that it is in. All is looked up each time, so that disabling, revoking and a
 * stricter policy work at once.
 */
export class Admission extends Context.Service<Admission, {
  /** To all but the boot: what a node shows of that is let through so. */
  readonly enter: (token: Redacted.Redacted<string>) => Effect.Effect<Entered, TokenRefused>
  /** To everything: its session also showed a boot that is allowed, where boots are enforced. */
  readonly admit: (token: Redacted.Redacted<string>) => Effect.Effect<NodeRow, TokenRefused | BootNotAllowed>
}>()("@patela/server/http/Admission") {
  static readonly layer = Layer.effect(
    Admission,
    Effect.gen(function*() {
      const tokens = yield* Tokens
      const nodes = yield* Nodes
      const sessions = yield* Sessions
      const trust = yield* Trust
      const gate = yield* BootGate

      const enter = Effect.fn("Admission.enter")(function*(token: Redacted.Redacted<string>) {
        const claims = yield* tokens.read(token).pipe(Effect.mapError(({ message }) => refused(message)))
        const node = Option.getOrUndefined(yield* Effect.orDie(nodes.find(claims.node)))
        if (node === undefined || !node.enabled) return yield* refused("the node of this token is not enabled")
        yield* tokens.authorize(token, { node: node.id, epoch: node.epoch, keys: keysDigest(node) }).pipe(
          Effect.mapError(({ message }) => refused(message))
        )
        const entry = yield* Effect.orDie(sessions.enter(claims))
        if (entry !== "begun" && entry !== "continued") return yield* refused(NO_SESSION[entry])
        yield* trust.accept(node).pipe(
          Effect.catchTags({ StoreFailed: Effect.die, TierTooLow: ({ message }) => refused(message) })
        )
        if (entry === "begun") {
          const answer = node.authenticated_at === null ? "201, its first" : "200"
          yield* Effect.logInfo(`node ${node.id} authenticated: ${answer}`)
        }
        return { node, challenge: claims.challenge }
      })

      const admit = Effect.fn("Admission.admit")(function*(token: Redacted.Redacted<string>) {
        const { node, challenge } = yield* enter(token)
        yield* gate.pass(node, challenge).pipe(Effect.catchTag("StoreFailed", Effect.die))
        return node
      })

      return Admission.of({ enter, admit })
    })
  )
}
