import { Authorization, CurrentNode } from "@patela/domain/api/Authorization"
import { EVENT_STREAM } from "@patela/domain/api/ConfigEvent"
import type { FamilyKeysRequest } from "@patela/domain/api/FamilyKeys"
import { PatelaApi } from "@patela/domain/api/PatelaApi"
import type { NodeReport } from "@patela/domain/api/PrivateApi"
import { AllocationFailed, SpecsMissing } from "@patela/domain/api/Problems"
import type { BootEvidence } from "@patela/domain/attestation/BootEvidence"
import type { HardwareSpecs } from "@patela/domain/node/HardwareSpecs"
import { ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import type { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Effect, Option, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Allocator } from "../allocate/Allocator.ts"
import { BootGate } from "../boot/BootGate.ts"
import { Family } from "../family/Family.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Report } from "../nodes/Report.ts"
import { ResolvedConfig } from "../settings/ResolvedConfig.ts"
import { Admission } from "./Admission.ts"
import { closeAfter } from "./closeAfter.ts"
import { entity } from "./entity.ts"
import { EventStreams } from "./EventStreams.ts"
import { OpenAnswers } from "./OpenAnswers.ts"

const relaysEntity = entity(Schema.Array(ResolvedRelay))
const nodeEntity = entity(ResolvedNode)

/** What a request says of what its node has already. */
interface Conditional {
  readonly headers: { readonly "if-none-match"?: string }
}

/** What an authenticated node asks and says. */
export const PrivateGroup = HttpApiBuilder.group(
  PatelaApi,
  "private",
  Effect.fn(function*(handlers) {
    const nodes = yield* Nodes
    const allocator = yield* Allocator
    const config = yield* ResolvedConfig
    const report = yield* Report
    const events = yield* EventStreams
    const answers = yield* OpenAnswers
    const { admit, enter } = yield* Admission
    const gate = yield* BootGate
    const family = yield* Family
    const credential = HttpApiBuilder.securityDecode(Authorization.security.bearer)

    const current = Effect.gen(function*() {
      const { id } = yield* CurrentNode
      const node = yield* Effect.orDie(nodes.find(id))
      // The authorization read it a moment ago; where a person removed it since, its next request is refused.
      return yield* Option.match(node, { onNone: () => Effect.die(`node ${id} is gone`), onSome: Effect.succeed })
    })

    /**
     * After the last thing that a node asks for when it hears of an event, for it asks over another connection than that
     * of its stream: a fleet that heard of one would hold twice as many for seconds.
     */
    const lastAsked = (node: NodeId) => events.followed(node) ? closeAfter : Effect.void

    return handlers.handleAll({
      specs: Effect.fn("private.specs")(function*({ payload }: { readonly payload: HardwareSpecs }) {
        // Before anything that may wait for its turn, which would make the node's clock seem slow.
        const now = yield* Clock.currentTimeMillis
        const ahead = payload.clock === undefined ? null : Math.round((payload.clock - now) / 1000)
        const relays = yield* allocator.allocate(yield* current, payload, ahead).pipe(
          Effect.catchTags({
            StoreFailed: Effect.die,
            PoolExhausted: ({ message }) => Effect.fail(new AllocationFailed({ detail: message }))
          })
        )
        return { relays }
      }),
      relays: Effect.fn("private.relays")(function*({ headers }: Conditional) {
        const node = yield* current
        if (node.n_cpus === null) {
          return yield* new SpecsMissing({
            detail: "The node has no relays yet: it must POST its hardware to /private/specs first"
          })
        }
        yield* allocator.catchUp(node).pipe(Effect.catchTags({
          StoreFailed: Effect.die,
          // What the node has it keeps; the next session's report of its hardware fails with this.
          PoolExhausted: ({ message }) => Effect.logWarning(`node ${node.id} gets no more relays: ${message}`)
        }))
        const answer = yield* relaysEntity(yield* Effect.orDie(config.relaysOf(node)), headers["if-none-match"])
        // Nothing changed, so nothing is read again, and nothing reported.
        if (answer.status === 304) yield* lastAsked(node.id)
        return answer
      }),
      node: Effect.fn("private.node")(function*({ headers }: Conditional) {
        const { id } = yield* CurrentNode
        const resolved = yield* config.of(id).pipe(
          Effect.catchTags({
            StoreFailed: Effect.die,
            NetworkMissing: ({ message }) => Effect.fail(new AllocationFailed({ detail: message }))
          })
        )
        return yield* nodeEntity(resolved, headers["if-none-match"])
      }),
      events: Effect.fn("private.events")(function*() {
        const { id } = yield* CurrentNode
        const token = yield* credential
        // Closed at its end: a server that ends waits for connections that are kept.
        const headers = { "content-type": EVENT_STREAM, "cache-control": "no-store", connection: "close" }
        return yield* events.open(id, admit(token), (reader) => answers.begin(headers, reader))
      }),
      evidence: Effect.fn("private.evidence")(function*({ payload }: { readonly payload: BootEvidence }) {
        const { node, challenge } = yield* enter(yield* credential)
        yield* gate.show(node, challenge, payload).pipe(Effect.catchTag("StoreFailed", Effect.die))
      }),
      familyKeys: Effect.fn("private.familyKeys")(
        function*({ payload }: { readonly payload: typeof FamilyKeysRequest.Type }) {
          return yield* family.seal(yield* current, payload.ids).pipe(Effect.catchTag("StoreFailed", Effect.die))
        }
      ),
      report: Effect.fn("private.report")(function*({ payload }: { readonly payload: NodeReport }) {
        const { id } = yield* CurrentNode
        yield* Effect.orDie(report.take(id, payload))
        yield* lastAsked(id)
      })
    })
  })
)
