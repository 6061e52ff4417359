import type { NodeReport, RelayReport } from "@patela/domain/api/PrivateApi"
import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Audit, type AuditedChange } from "../audit/Audit.ts"
import { judgeFingerprint } from "../relays/judgeFingerprint.ts"
import { fingerprintsOf, type RelayRow } from "../relays/RelayRow.ts"
import { type BlockedRelay, type IdentifiedRelay, Relays } from "../relays/Relays.ts"
import { inGroups } from "../store/inGroups.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { Nodes, type ReportOfNode } from "./Nodes.ts"

/** What a node's word of a relay comes to. */
interface News {
  readonly warning?: string
  readonly blocked?: BlockedRelay
  readonly recorded?: IdentifiedRelay
  readonly alarm?: IdentifiedRelay
  readonly entry?: AuditedChange
}

/** Pure. `relay` is the relay as it stands, undefined where there is none of the name. */
const newsOf = (node: NodeId, { name, fingerprint, blocked: now }: RelayReport, relay: RelayRow | undefined): News => {
  if (relay?.node_id !== node) {
    return { warning: `node ${node} reported on ${name}, which is not one of its relays` }
  }
  const blocked = relay.blocked === now ? {} : { blocked: { name, blocked: now } }
  const known = fingerprintsOf(relay)
  const verdict = judgeFingerprint(known, fingerprint)
  if (verdict === "nothing to do" || fingerprint === null) return blocked
  // The same alarm again is not a change.
  if (relay.alarm_rsa === fingerprint.rsa && relay.alarm_ed25519 === fingerprint.ed25519) return blocked
  const identified = { name, fingerprints: fingerprint }
  const values = { before: known === null ? null : JSON.stringify(known), after: JSON.stringify(fingerprint) }
  const who = `node ${node}`
  return verdict === "record"
    ? { ...blocked, recorded: identified, entry: { who, what: `relay ${name}: fingerprints recorded`, ...values } }
    : {
      ...blocked,
      alarm: identified,
      warning: `node ${node} reports other identity keys for ${name} than those on record`,
      entry: { who, what: `relay ${name}: fingerprint alarm`, ...values }
    }
}

/** Takes what a node says after a pass. */
export class Report extends Context.Service<Report, {
  /** Stores the report in one transaction, which others that come just then share. Relays that are not the node's own are left out, with a warning. */
  readonly take: (node: NodeId, report: NodeReport) => Effect.Effect<void, StoreFailed>
}>()("@patela/server/nodes/Report") {
  static readonly layer = Layer.effect(
    Report,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const nodes = yield* Nodes
      const relays = yield* Relays
      const audit = yield* Audit

      const takeAll = Effect.fnUntraced(
        function*(reports: ReadonlyArray<ReportOfNode>) {
          yield* nodes.saveReports(reports)
          const present = yield* relays.ofNodes(reports.map(({ node }) => node))
          const own = new Map(present.map((relay) => [relay.name, relay]))
          const news = reports.flatMap(({ node, report }) =>
            // Of a relay that is in it twice the last word counts.
            [...new Map(report.relays.map((said) => [said.name, said])).values()]
              .map((said) => newsOf(node, said, own.get(said.name)))
          )
          for (const { warning } of news) if (warning !== undefined) yield* Effect.logWarning(warning)
          yield* relays.saveBlocked(news.flatMap(({ blocked }) => blocked ?? []))
          yield* relays.recordFingerprints(news.flatMap(({ recorded }) => recorded ?? []))
          yield* relays.raiseAlarms(news.flatMap(({ alarm }) => alarm ?? []))
          yield* audit.recordAll(news.flatMap(({ entry }) => entry ?? []))
        },
        sql.withTransaction,
        asStoreFailed("store a report")
      )

      const ask = yield* inGroups({
        keyOf: ({ node }: ReportOfNode) => node,
        run: (reports) => Effect.as(takeAll(reports), reports)
      })
      const take = Effect.fn("Report.take")(function*(node: NodeId, report: NodeReport) {
        yield* ask({ node, report })
      })

      return Report.of({ take })
    })
  )
}
