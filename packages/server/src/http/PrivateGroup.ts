import { CurrentNode } from "@patela/domain/api/Authorization"
import { PatelaApi } from "@patela/domain/api/PatelaApi"
import type { NodeReport } from "@patela/domain/api/PrivateApi"
import { AllocationFailed, SpecsMissing } from "@patela/domain/api/Problems"
import type { HardwareSpecs } from "@patela/domain/node/HardwareSpecs"
import { Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Allocator } from "../allocate/Allocator.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Report } from "../nodes/Report.ts"
import { ResolvedConfig } from "../settings/ResolvedConfig.ts"

/** What an authenticated node asks and says. */
export const PrivateGroup = HttpApiBuilder.group(
  PatelaApi,
  "private",
  Effect.fn(function*(handlers) {
    const nodes = yield* Nodes
    const allocator = yield* Allocator
    const config = yield* ResolvedConfig
    const report = yield* Report

    const current = Effect.gen(function*() {
      const { id } = yield* CurrentNode
      const node = yield* Effect.orDie(nodes.find(id))
      // The authorization read it a moment ago, and nodes that were enabled are never deleted.
      return yield* Option.match(node, { onNone: () => Effect.die(`node ${id} is gone`), onSome: Effect.succeed })
    })

    return handlers.handleAll({
      specs: Effect.fn("private.specs")(function*({ payload }: { readonly payload: HardwareSpecs }) {
        const relays = yield* allocator.allocate(yield* current, payload).pipe(
          Effect.catchTags({
            StoreFailed: Effect.die,
            PoolExhausted: ({ message }) => Effect.fail(new AllocationFailed({ detail: message }))
          })
        )
        return { relays }
      }),
      relays: Effect.fn("private.relays")(function*() {
        const node = yield* current
        if (node.n_cpus === null) {
          return yield* new SpecsMissing({
            detail: "The node has no relays yet: it must POST its hardware to /private/specs first"
          })
        }
        return yield* Effect.orDie(config.relaysOf(node))
      }),
      node: Effect.fn("private.node")(function*() {
        return yield* config.of(yield* current).pipe(
          Effect.catchTags({
            StoreFailed: Effect.die,
            NetworkMissing: ({ message }) => Effect.fail(new AllocationFailed({ detail: message }))
          })
        )
      }),
      report: Effect.fn("private.report")(function*({ payload }: { readonly payload: NodeReport }) {
        const { id } = yield* CurrentNode
        yield* Effect.orDie(report.take(id, payload))
      })
    })
  })
)
