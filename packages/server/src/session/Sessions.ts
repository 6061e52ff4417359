import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, type SqlError, SqlSchema } from "effect/sql"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { CHALLENGE_LIFE, TOKEN_LIFE } from "./lifetimes.ts"
import type { ReadToken, TokenClaims } from "./Tokens.ts"

/** The newest sessions of one node that are kept; a node whose agents authenticate more often ends its oldest ones. */
const MOST_SESSIONS = 64

const SessionRow = Schema.Struct({ node_id: Schema.Int, epoch: Schema.Int, ends_at: Schema.String })

/** Why a token begins no session and continues none. */
export type NoSession = "used or ended" | "too late" | "old key"

/** What a token did: begin its session, go on in it, or neither. */
export type SessionEntry = "begun" | "continued" | NoSession

const iso = (millis: number): string => new Date(millis).toISOString()

/**
 * The challenges that were used. Issuing one writes nothing; the first use of the token that it held begins the one
 * session that it can, and is what uses it up. The database's key decides between servers that see that first use at
 * once, so any number of them may stand in front of one database (docs/decisions/0025-challenges-used-once.md).
 */
export class Sessions extends Context.Service<Sessions, {
  /**
   * Continues the session of a token, or begins it where its challenge is not used and not older than a minute, and its
   * key is the one of now.
   */
  readonly enter: (claims: ReadToken) => Effect.Effect<SessionEntry, StoreFailed>
}>()("@patela/server/session/Sessions") {
  static readonly layer = Layer.effect(
    Sessions,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const byChallenge = SqlSchema.findOneOption({
        Request: Schema.String,
        Result: SessionRow,
        execute: (challenge) => sql`SELECT node_id, epoch, ends_at FROM sessions WHERE challenge = ${challenge}`
      })

      // What is younger than a challenge lives stays, however many there are: dropped, its challenge could be used again.
      const dropOld = Effect.fnUntraced(function*({ node, epoch }: TokenClaims, nowMillis: number) {
        yield* sql`DELETE FROM sessions WHERE node_id = ${node} AND (ends_at <= ${iso(nowMillis)} OR epoch < ${epoch})`
        yield* sql`DELETE FROM sessions WHERE node_id = ${node} AND began_at <= ${iso(nowMillis - CHALLENGE_LIFE)}
          AND challenge NOT IN (SELECT challenge FROM sessions WHERE node_id = ${node}
            ORDER BY began_at DESC LIMIT ${MOST_SESSIONS})`
      })

      const begin = Effect.fnUntraced(function*(claims: TokenClaims, nowMillis: number) {
        yield* dropOld(claims, nowMillis)
        const { challenge, node, epoch, made } = claims
        yield* sql`INSERT INTO sessions ${
          sql.insert({
            challenge,
            node_id: node,
            epoch,
            began_at: iso(nowMillis),
            // Of the challenge's time, as the token's own end: using it late makes it last no longer.
            ends_at: iso(made + TOKEN_LIFE)
          })
        } ON CONFLICT (challenge) DO NOTHING`
      }, sql.withTransaction)

      const enter = Effect.fn("Sessions.enter")(function*(
        claims: ReadToken
      ): Effect.fn.Return<SessionEntry, SqlError.SqlError | Schema.SchemaError> {
        const nowMillis = yield* Clock.currentTimeMillis
        const session = Option.getOrUndefined(yield* byChallenge(claims.challenge))
        if (session === undefined) {
          // Who stole an old key may make tokens with it, but none of a challenge that was used.
          if (claims.oldKey) return "old key"
          if (nowMillis - claims.made >= CHALLENGE_LIFE) return "too late"
          yield* begin(claims, nowMillis)
          return "begun"
        }
        const same = session.node_id === claims.node && session.epoch === claims.epoch
        return same && iso(nowMillis) < session.ends_at ? "continued" : "used or ended"
      }, asStoreFailed("look up or begin a session"))

      return Sessions.of({ enter })
    })
  )
}
