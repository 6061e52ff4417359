import type { NodeReport } from "@patela/domain/api/PrivateApi"
import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Audit, type AuditedChange } from "../audit/Audit.ts"
import { judgeFingerprint } from "../relays/judgeFingerprint.ts"
import { fingerprintsOf } from "../relays/RelayRow.ts"
import { Relays } from "../relays/Relays.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { Nodes } from "./Nodes.ts"

/** Takes what a node says after a pass. */
export class Report extends Context.Service<Report, {
  /** Stores the report in one transaction. Relays that are not the node's own are left out, with a warning. */
  readonly take: (node: NodeId, report: NodeReport) => Effect.Effect<void, StoreFailed>
}>()("@patela/server/nodes/Report") {
  static readonly layer = Layer.effect(
    Report,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const nodes = yield* Nodes
      const relays = yield* Relays
      const audit = yield* Audit

      const take = Effect.fn("Report.take")(
        function*(node: NodeId, report: NodeReport) {
          yield* nodes.saveReport(node, report)
          const entries: Array<AuditedChange> = []
          const own = new Map((yield* relays.ofNode(node)).map((relay) => [relay.name, relay]))
          for (const { name, fingerprint, blocked } of report.relays) {
            const relay = own.get(name)
            if (relay === undefined) {
              yield* Effect.logWarning(`node ${node} reported on ${name}, which is not one of its relays`)
              continue
            }
            if (relay.blocked !== blocked) yield* relays.saveBlocked(name, blocked)
            const recorded = fingerprintsOf(relay)
            const verdict = judgeFingerprint(recorded, fingerprint)
            if (verdict === "nothing to do" || fingerprint === null) continue
            // The same alarm again is not a change.
            if (relay.alarm_rsa === fingerprint.rsa && relay.alarm_ed25519 === fingerprint.ed25519) continue
            if (verdict === "record") yield* relays.recordFingerprints(name, fingerprint)
            else {
              yield* relays.raiseAlarm(name, fingerprint)
              yield* Effect.logWarning(`node ${node} reports other identity keys for ${name} than those on record`)
            }
            entries.push({
              who: `node ${node}`,
              what: verdict === "record" ? `relay ${name}: fingerprints recorded` : `relay ${name}: fingerprint alarm`,
              before: recorded === null ? null : JSON.stringify(recorded),
              after: JSON.stringify(fingerprint)
            })
          }
          yield* Effect.forEach(entries, audit.record, { discard: true })
        },
        sql.withTransaction,
        asStoreFailed("store a report")
      )

      return Report.of({ take })
    })
  )
}
