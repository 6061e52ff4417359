import { BootSelection } from "@patela/domain/attestation/BootEvidence"
import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { settingRows } from "../settings/settingRows.ts"
import { now, Whole } from "../store/Column.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { Boot, BootDigest, bootDigestOf } from "./Boot.ts"
import { defaultSelection, isOfSelection, selectionText } from "./bootSelection.ts"
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

/** Other PCRs are to be selected while boots are enforced, of which none would be allowed. */
export class BootsEnforced extends Schema.TaggedError<BootsEnforced>()("BootsEnforced", { message: Schema.String }) {}

/** What selecting PCRs came to: how many allowed boots are of other PCRs, and how many of these. */
export interface Selected {
  readonly changed: boolean
  readonly inapplicable: number
  readonly applicable: number
}

const SETTING = "boot_enforcement"
const SELECTION_SETTING = "boot_selection"
const SelectionText = Schema.fromJsonString(BootSelection)

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
  /** The PCRs that nodes are asked for. */
  readonly selection: Effect.Effect<BootSelection, StoreFailed>
  /** Boots that were allowed of other PCRs are kept, and apply again when those are selected again. */
  readonly select: (who: string, selection: BootSelection) => Effect.Effect<Selected, BootsEnforced | StoreFailed>
  /** Those of the PCRs that are selected, the newest first. */
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
      const selections = yield* settingRows(SelectionText)
      const readAllowed = SqlSchema.findAll({
        Request: Schema.String,
        Result: AllowedRow,
        execute: (pcrs) => sql`SELECT * FROM allowed_boots WHERE pcrs = ${pcrs} ORDER BY allowed_at DESC, digest`
      })
      const byBoth = SqlSchema.findOneOption({
        Request: Schema.Struct({ digest: Schema.String, pcrs: Schema.String }),
        Result: AllowedRow,
        execute: ({ digest, pcrs }) => sql`SELECT * FROM allowed_boots WHERE digest = ${digest} AND pcrs = ${pcrs}`
      })
      const countAllowed = SqlSchema.findOne({
        Request: Schema.String,
        Result: Schema.Struct({ applicable: Whole, inapplicable: Whole }),
        execute: (pcrs) =>
          sql`SELECT COUNT(CASE WHEN pcrs = ${pcrs} THEN 1 END) AS applicable,
            COUNT(CASE WHEN pcrs <> ${pcrs} THEN 1 END) AS inapplicable FROM allowed_boots`
      })
      const readSelection = Effect.map(
        selections.read(SELECTION_SETTING),
        Option.match({ onNone: () => defaultSelection, onSome: ({ value }) => value })
      )
      const selected = Effect.map(readSelection, selectionText)
      const byDigest = (digest: BootDigest) => Effect.flatMap(selected, (pcrs) => byBoth({ digest, pcrs }))
      const selection = readSelection.pipe(asStoreFailed("read which PCRs are selected"))
      const enforcement = Effect.map(settings.read(SETTING), modeOf).pipe(
        asStoreFailed("read what is done about boots")
      )
      const allowed = Effect.flatMap(selected, readAllowed).pipe(asStoreFailed("list the allowed boots"))

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

      const writeSelection = Effect.fnUntraced(
        function*(who: string, after: BootSelection) {
          const before = yield* readSelection
          const changed = selectionText(before) !== selectionText(after)
          if (changed) {
            // Not a setting that nodes are told with their configuration either.
            yield* selections.write(SELECTION_SETTING, yield* Schema.encodeEffect(SelectionText)(after))
            const what = "policy: PCRs of boots selected"
            yield* audit.record({ who, what, before: selectionText(before), after: selectionText(after) })
          }
          const counted = yield* Effect.catchTag(countAllowed(selectionText(after)), "NoSuchElementError", Effect.die)
          return { changed, ...counted }
        },
        sql.withTransaction,
        asStoreFailed("select the PCRs of boots")
      )

      const select = Effect.fn("BootPolicy.select")(function*(who: string, after: BootSelection) {
        const before = yield* selection
        if (selectionText(before) !== selectionText(after) && (yield* enforcement) === "on") {
          return yield* new BootsEnforced({
            message: "Boots are enforced, and with other PCRs every node would be refused until what it booted is " +
              "learned anew. First: patela policy pcr enforce warn"
          })
        }
        return yield* writeSelection(who, after)
      })

      const allow = Effect.fn("BootPolicy.allow")(
        function*(who: string, digest: BootDigest) {
          if (Option.isSome(yield* byDigest(digest))) return false
          yield* sql`INSERT INTO allowed_boots ${sql.insert({ digest, pcrs: yield* selected, allowed_at: yield* now })}`
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
          sql.insert({ digest, pcrs: yield* selected, boot: values, learned_from: node, allowed_at: yield* now })
        } ON CONFLICT (digest, pcrs) DO UPDATE SET boot = excluded.boot, learned_from = excluded.learned_from`
        yield* audit.record({ who, what: `policy: boot of node ${node} learned`, before: null, after: digest })
        return { digest, changed: true }
      })

      const learn = Effect.fn("BootPolicy.learn")(function*(who: string, node: NodeId) {
        const last = Option.getOrUndefined(yield* shown.last(node))
        if (last === undefined || !isOfSelection(last.boot, yield* selection)) {
          return yield* new NothingShown({
            message:
              `Node ${node} has not shown what it booted, of the PCRs that are selected. Nodes are asked after patela policy pcr enforce warn, ` +
              `when they authenticate: within 15 minutes, or at once after patela node revoke ${node}`
          })
        }
        return yield* insertLearned(who, node, last.boot).pipe(sql.withTransaction, asStoreFailed("learn a boot"))
      })

      const remove = Effect.fn("BootPolicy.remove")(
        function*(who: string, digest: BootDigest) {
          if (Option.isNone(yield* byDigest(digest))) return false
          yield* sql`DELETE FROM allowed_boots WHERE digest = ${digest} AND pcrs = ${yield* selected}`
          yield* audit.record({ who, what: "policy: boot removed", before: digest, after: null })
          return true
        },
        sql.withTransaction,
        asStoreFailed("remove a boot")
      )

      const standings = Effect.gen(function*() {
        const [mode, pcrs, boots, last] = [yield* enforcement, yield* selection, yield* allowed, yield* shown.list]
        const byNode = new Map(last.map((one) => [one.node_id, one]))
        return (node: NodeId) =>
          bootStandingOf({ node, asked: mode !== "off", selection: pcrs, shown: byNode.get(node), allowed: boots })
      })

      return BootPolicy.of({
        enforcement,
        enforce,
        selection,
        select,
        allowed,
        allows,
        allow,
        learn,
        remove,
        standings
      })
    })
  )
}
