import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { settingRows } from "../settings/settingRows.ts"
import { now } from "../store/Column.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { Boot, BootDigest, bootDigestOf } from "./Boot.ts"
import { type BootStanding, bootStandingOf } from "./BootStanding.ts"
import { ShownBoots } from "./ShownBoots.ts"

/** `off`: nodes are not asked. `warn`: they are, and lists say which boots are not allowed. `on`: those are refused. */
export const BOOT_ENFORCEMENTS = ["off", "warn", "on"] as const
export const BootEnforcement = Schema.Literals(BOOT_ENFORCEMENTS)
export type BootEnforcement = typeof BootEnforcement.Type

const AllowedRow = Schema.Struct({
  digest: BootDigest,
  boot: Schema.NullOr(Schema.fromJsonString(Boot)),
  learned_from: Schema.NullOr(Schema.Int),
  allowed_at: Schema.String
})
export type AllowedBootRow = typeof AllowedRow.Type

/** A node is to be learned from that has shown nothing. */
export class NothingShown extends Schema.TaggedError<NothingShown>()("NothingShown", { message: Schema.String }) {}

const SETTING = "boot_enforcement"

const modeOf = Option.match({
  onNone: (): BootEnforcement => "off",
  onSome: ({ value }: { readonly value: BootEnforcement }) => value
})

/**
 * Which boots are allowed, and what is done about the others. Looked up at each request, so it works at once, on every
 * server. Each change and its entry in the audit log are one transaction.
 */
export class BootPolicy extends Context.Service<BootPolicy, {
  readonly enforcement: Effect.Effect<BootEnforcement, StoreFailed>
  /** Whether anything changed. */
  readonly enforce: (who: string, enforcement: BootEnforcement) => Effect.Effect<boolean, StoreFailed>
  /** The newest first. */
  readonly allowed: Effect.Effect<ReadonlyArray<AllowedBootRow>, StoreFailed>
  /** Whether a boot is one of them. */
  readonly allows: (digest: BootDigest) => Effect.Effect<boolean, StoreFailed>
  readonly allow: (who: string, digest: BootDigest) => Effect.Effect<boolean, StoreFailed>
  /** Allows what a node showed last: its digest, and whether anything changed. */
  readonly learn: (
    who: string,
    node: NodeId
  ) => Effect.Effect<{ readonly digest: BootDigest; readonly changed: boolean }, NothingShown | StoreFailed>
  readonly remove: (who: string, digest: BootDigest) => Effect.Effect<boolean, StoreFailed>
  /** How each node stands to the policy. */
  readonly standings: Effect.Effect<(node: NodeId) => BootStanding, StoreFailed>
}>()("@patela/server/boot/BootPolicy") {
  static readonly layer = Layer.effect(
    BootPolicy,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const audit = yield* Audit
      const shown = yield* ShownBoots
      const settings = yield* settingRows(BootEnforcement)
      const readAllowed = SqlSchema.findAll({
        Request: Schema.Void,
        Result: AllowedRow,
        execute: () => sql`SELECT * FROM allowed_boots ORDER BY allowed_at DESC, digest`
      })
      const byDigest = SqlSchema.findOneOption({
        Request: Schema.String,
        Result: AllowedRow,
        execute: (digest) => sql`SELECT * FROM allowed_boots WHERE digest = ${digest}`
      })
      const enforcement = Effect.map(settings.read(SETTING), modeOf).pipe(
        asStoreFailed("read what is done about boots")
      )
      const allowed = readAllowed().pipe(asStoreFailed("list the allowed boots"))

      const allows = Effect.fn("BootPolicy.allows")((digest: BootDigest) =>
        Effect.map(byDigest(digest), Option.isSome).pipe(asStoreFailed("look up a boot"))
      )

      const enforce = Effect.fn("BootPolicy.enforce")(
        function*(who: string, after: BootEnforcement) {
          const before = yield* enforcement
          if (before === after) return false
          // Not a setting that nodes are told, so it is no new generation.
          yield* settings.write(SETTING, after)
          yield* audit.record({ who, what: "policy: boot enforcement set", before, after })
          return true
        },
        sql.withTransaction,
        asStoreFailed("set what is done about boots")
      )

      const allow = Effect.fn("BootPolicy.allow")(
        function*(who: string, digest: BootDigest) {
          if (Option.isSome(yield* byDigest(digest))) return false
          yield* sql`INSERT INTO allowed_boots ${sql.insert({ digest, allowed_at: yield* now })}`
          yield* audit.record({ who, what: "policy: boot allowed", before: null, after: digest })
          return true
        },
        sql.withTransaction,
        asStoreFailed("allow a boot")
      )

      const insertLearned = Effect.fnUntraced(function*(who: string, node: NodeId, boot: Boot) {
        const digest = bootDigestOf(boot)
        const before = Option.getOrUndefined(yield* byDigest(digest))
        // One that was allowed by its digest alone gets the values that nodes can be compared with.
        if (before !== undefined && before.boot !== null) return { digest, changed: false }
        const values = yield* Schema.encodeEffect(Schema.fromJsonString(Boot))(boot)
        yield* sql`INSERT INTO allowed_boots ${
          sql.insert({ digest, boot: values, learned_from: node, allowed_at: yield* now })
        } ON CONFLICT (digest) DO UPDATE SET boot = excluded.boot, learned_from = excluded.learned_from`
        yield* audit.record({ who, what: `policy: boot of node ${node} learned`, before: null, after: digest })
        return { digest, changed: true }
      })

      const learn = Effect.fn("BootPolicy.learn")(function*(who: string, node: NodeId) {
        const last = Option.getOrUndefined(yield* shown.last(node))
        if (last === undefined) {
          return yield* new NothingShown({
            message:
              `Node ${node} has not shown what it booted. Nodes are asked after patela policy pcr enforce warn, ` +
              `when they authenticate: within 15 minutes, or at once after patela node revoke ${node}`
          })
        }
        return yield* insertLearned(who, node, last.boot).pipe(sql.withTransaction, asStoreFailed("learn a boot"))
      })

      const remove = Effect.fn("BootPolicy.remove")(
        function*(who: string, digest: BootDigest) {
          if (Option.isNone(yield* byDigest(digest))) return false
          yield* sql`DELETE FROM allowed_boots WHERE digest = ${digest}`
          yield* audit.record({ who, what: "policy: boot removed", before: digest, after: null })
          return true
        },
        sql.withTransaction,
        asStoreFailed("remove a boot")
      )

      const standings = Effect.gen(function*() {
        const [mode, boots, last] = [yield* enforcement, yield* allowed, yield* shown.list]
        const byNode = new Map(last.map((one) => [one.node_id, one]))
        return (node: NodeId) =>
          bootStandingOf({ node, asked: mode !== "off", shown: byNode.get(node), allowed: boots })
      })

      return BootPolicy.of({ enforcement, enforce, allowed, allows, allow, learn, remove, standings })
    })
  )
}
