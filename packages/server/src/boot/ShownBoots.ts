import { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { createHash } from "node:crypto"
import { now } from "../store/Column.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { Boot } from "./Boot.ts"

const BootText = Schema.fromJsonString(Boot)

const ShownRow = Schema.Struct({
  node_id: NodeId,
  boot: BootText,
  shown_at: Schema.String,
  /** What its newest session showed, as text: null where that showed nothing, so that `boot` is of an earlier one. */
  newest: Schema.NullOr(Schema.String)
})

/** What a node showed last. Times are UTC, ISO 8601. */
export type ShownBoot = typeof ShownRow.Type

/** What was shown that was verified: nothing else is ever kept. */
export interface VerifiedShowing {
  readonly node: NodeId
  readonly challenge: string
  readonly boot: Boot
  /** Lower-case hex. */
  readonly eventLog: string | undefined
}

/** What nodes showed of their boots. */
export class ShownBoots extends Context.Service<ShownBoots, {
  /**
   * Keeps what a session showed, and as the node's last. A session shows one thing: whether it does, for another than it
   * showed before is not kept.
   */
  readonly keep: (showing: VerifiedShowing) => Effect.Effect<boolean, StoreFailed>
  /** What the session of a challenge showed. */
  readonly ofSession: (challenge: string) => Effect.Effect<Option.Option<Boot>, StoreFailed>
  readonly last: (node: NodeId) => Effect.Effect<Option.Option<ShownBoot>, StoreFailed>
  readonly list: Effect.Effect<ReadonlyArray<ShownBoot>, StoreFailed>
  /** The event log that came with what a node showed last, none where the firmware keeps none. */
  readonly eventLog: (node: NodeId) => Effect.Effect<Option.Option<Uint8Array>, StoreFailed>
}>()("@patela/server/boot/ShownBoots") {
  static readonly layer = Layer.effect(
    ShownBoots,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const session = SqlSchema.findOneOption({
        Request: Schema.String,
        Result: Schema.Struct({ boot: Schema.NullOr(Schema.String) }),
        execute: (challenge) => sql`SELECT boot FROM sessions WHERE challenge = ${challenge}`
      })
      const shownRows = sql`SELECT node_id, boot, shown_at, (SELECT sessions.boot FROM sessions
        WHERE sessions.node_id = shown_boots.node_id ORDER BY began_at DESC LIMIT 1) AS newest FROM shown_boots`
      const byNode = SqlSchema.findOneOption({
        Request: NodeId,
        Result: ShownRow,
        execute: (node) => sql`${shownRows} WHERE node_id = ${node}`
      })
      const all = SqlSchema.findAll({
        Request: Schema.Void,
        Result: ShownRow,
        execute: () => sql`${shownRows} ORDER BY node_id`
      })
      const logOf = SqlSchema.findOneOption({
        Request: NodeId,
        Result: Schema.Struct({ event_log: Schema.String }),
        execute: (node) => sql`SELECT event_log FROM event_logs WHERE node_id = ${node}`
      })

      const keepLog = Effect.fnUntraced(function*(node_id: NodeId, event_log: string | undefined) {
        if (event_log === undefined) return yield* sql`DELETE FROM event_logs WHERE node_id = ${node_id}`
        const sha256 = createHash("sha256").update(event_log).digest("hex")
        // The same at every authentication of a boot, and by far the largest thing that is kept of a node.
        return yield* sql`INSERT INTO event_logs ${sql.insert({ node_id, sha256, event_log })}
          ON CONFLICT (node_id) DO UPDATE SET sha256 = excluded.sha256, event_log = excluded.event_log
          WHERE event_logs.sha256 <> excluded.sha256`
      })

      const keep = Effect.fn("ShownBoots.keep")(
        function*({ node, challenge, boot, eventLog }: VerifiedShowing) {
          const text = yield* Schema.encodeEffect(BootText)(boot)
          // One statement, so that of two that come at once the second sees what the first one showed.
          const first = yield* sql`UPDATE sessions SET boot = ${text} WHERE challenge = ${challenge} AND boot IS NULL
            RETURNING challenge`
          if (first.length === 0) return Option.getOrUndefined(yield* session(challenge))?.boot === text
          yield* sql`INSERT INTO shown_boots ${sql.insert({ node_id: node, boot: text, shown_at: yield* now })}
            ON CONFLICT (node_id) DO UPDATE SET boot = excluded.boot, shown_at = excluded.shown_at`
          yield* keepLog(node, eventLog)
          return true
        },
        sql.withTransaction,
        asStoreFailed("keep what a node booted")
      )

      const ofSession = Effect.fn("ShownBoots.ofSession")(function*(challenge: string) {
        const text = Option.getOrUndefined(yield* session(challenge))?.boot ?? null
        return text === null ? Option.none<Boot>() : Option.some(yield* Schema.decodeEffect(BootText)(text))
      }, asStoreFailed("look up what a session showed"))

      return ShownBoots.of({
        keep,
        ofSession,
        last: (node) => byNode(node).pipe(asStoreFailed("look up what a node booted")),
        list: all().pipe(asStoreFailed("list what nodes booted")),
        eventLog: (node) =>
          Effect.map(logOf(node), Option.map(({ event_log }) => new Uint8Array(Buffer.from(event_log, "hex")))).pipe(
            asStoreFailed("read an event log")
          )
      })
    })
  )
}
