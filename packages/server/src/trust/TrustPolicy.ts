import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { settingRows } from "../settings/settingRows.ts"
import { now } from "../store/Column.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { EkHash, ekHashOf } from "./EkHash.ts"
import { tierOf, TrustTier } from "./TrustTier.ts"

const AllowedRow = Schema.Struct({ ek_sha256: EkHash, allowed_at: Schema.String })
export type AllowedEk = typeof AllowedRow.Type

/** What the tier of a node is told from. */
export type Trusted = Pick<NodeRow, "ek_public" | "ek_root">

const SETTING = "lowest_tier"

/**
 * Which endorsement keys are accepted: the lowest tier, and the keys that were allowed beforehand. It is looked up at
 * each request, so it works at once, on every server. Each change and its entry in the audit log are one transaction.
 */
export class TrustPolicy extends Context.Service<TrustPolicy, {
  readonly lowest: Effect.Effect<TrustTier, StoreFailed>
  /** Whether anything changed. */
  readonly setLowest: (who: string, tier: TrustTier) => Effect.Effect<boolean, StoreFailed>
  readonly allowed: Effect.Effect<ReadonlyArray<AllowedEk>, StoreFailed>
  readonly allow: (who: string, hash: EkHash) => Effect.Effect<boolean, StoreFailed>
  readonly remove: (who: string, hash: EkHash) => Effect.Effect<boolean, StoreFailed>
  /** The tier of a node's endorsement key, as far as the database knows. */
  readonly tier: (node: Trusted) => Effect.Effect<TrustTier, StoreFailed>
}>()("@patela/server/trust/TrustPolicy") {
  static readonly layer = Layer.effect(
    TrustPolicy,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const audit = yield* Audit
      const settings = yield* settingRows(TrustTier)
      const readAllowed = SqlSchema.findAll({
        Request: Schema.Void,
        Result: AllowedRow,
        execute: () => sql`SELECT * FROM allowed_eks ORDER BY allowed_at, ek_sha256`
      })
      const isAllowed = (hash: EkHash) =>
        Effect.map(sql`SELECT 1 FROM allowed_eks WHERE ek_sha256 = ${hash}`, (rows) => rows.length > 0)

      const lowest = Effect.map(
        settings.read(SETTING),
        Option.match({ onNone: (): TrustTier => "first-use", onSome: ({ value }) => value })
      ).pipe(asStoreFailed("read the lowest tier"))

      const setLowest = Effect.fn("TrustPolicy.setLowest")(
        function*(who: string, tier: TrustTier) {
          const before = yield* lowest
          if (before === tier) return false
          // Not a setting that nodes are told, so it is no new generation.
          yield* settings.write(SETTING, tier)
          yield* audit.record({ who, what: "policy: lowest tier set", before, after: tier })
          return true
        },
        sql.withTransaction,
        asStoreFailed("set the lowest tier")
      )

      const allow = Effect.fn("TrustPolicy.allow")(
        function*(who: string, hash: EkHash) {
          if (yield* isAllowed(hash)) return false
          yield* sql`INSERT INTO allowed_eks ${sql.insert({ ek_sha256: hash, allowed_at: yield* now })}`
          yield* audit.record({ who, what: "policy: endorsement key allowed", before: null, after: hash })
          return true
        },
        sql.withTransaction,
        asStoreFailed("allow an endorsement key")
      )

      const remove = Effect.fn("TrustPolicy.remove")(
        function*(who: string, hash: EkHash) {
          if (!(yield* isAllowed(hash))) return false
          yield* sql`DELETE FROM allowed_eks WHERE ek_sha256 = ${hash}`
          yield* audit.record({ who, what: "policy: endorsement key removed", before: hash, after: null })
          return true
        },
        sql.withTransaction,
        asStoreFailed("remove an endorsement key")
      )

      const tier = Effect.fn("TrustPolicy.tier")(function*({ ek_public, ek_root }: Trusted) {
        const allowed = yield* isAllowed(ekHashOf(ek_public))
        return tierOf({ certified: ek_root !== null, allowed })
      }, asStoreFailed("look up an endorsement key"))

      return TrustPolicy.of({
        lowest,
        setLowest,
        allowed: readAllowed().pipe(asStoreFailed("list the allowed endorsement keys")),
        allow,
        remove,
        tier
      })
    })
  )
}
