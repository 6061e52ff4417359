import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import type { NodeRow } from "./NodeRow.ts"
import { type NodeOverrides, Nodes } from "./Nodes.ts"
import { type NodeSetting, overridesOf, settingEntry, withSetting } from "./NodeSetting.ts"
import { stateOf } from "./NodeView.ts"

/** There is no node of this number. */
export class NodeUnknown extends Schema.TaggedError<NodeUnknown>()("NodeUnknown", { message: Schema.String }) {
  static of(id: NodeId): NodeUnknown {
    return new NodeUnknown({ message: `There is no node ${id}. See them all with: patela list node` })
  }
}

/** The value does not fit the setting. */
export class SettingRefused
  extends Schema.TaggedError<SettingRefused>()("SettingRefused", { message: Schema.String })
{}

/** What people decide about nodes. Each change and its entry in the audit log are one transaction. */
export class Administration extends Context.Service<Administration, {
  readonly node: (id: NodeId) => Effect.Effect<NodeRow, NodeUnknown | StoreFailed>
  /** Whether anything changed: a node that is so already keeps its epoch and its tokens. */
  readonly setEnabled: (
    who: string,
    id: NodeId,
    enabled: boolean
  ) => Effect.Effect<boolean, NodeUnknown | StoreFailed>
  /** Ends every token of a node, which then has to authenticate again; whether it had any. */
  readonly revoke: (who: string, id: NodeId) => Effect.Effect<boolean, NodeUnknown | StoreFailed>
  readonly set: (
    who: string,
    id: NodeId,
    setting: NodeSetting,
    value: string
  ) => Effect.Effect<NodeOverrides, NodeUnknown | SettingRefused | StoreFailed>
}>()("@patela/server/nodes/Administration") {
  static readonly layer = Layer.effect(
    Administration,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const generation = yield* Generation
      const nodes = yield* Nodes
      const audit = yield* Audit

      const node = Effect.fn("Administration.node")(function*(id: NodeId) {
        const found = yield* nodes.find(id)
        return Option.isSome(found) ? found.value : yield* NodeUnknown.of(id)
      })

      const setEnabled = Effect.fn("Administration.setEnabled")(function*(who: string, id: NodeId, enabled: boolean) {
        const before = yield* node(id)
        if (before.enabled === enabled) return false
        // Not a change of the configuration: what a node is told is the same, whether or not it may ask.
        yield* sql.withTransaction(Effect.andThen(
          nodes.setEnabled(id, enabled),
          audit.record({
            who,
            what: `node ${id}: ${enabled ? "enabled" : "disabled"}`,
            before: stateOf(before),
            after: enabled ? "enabled" : "disabled"
          })
        )).pipe(asStoreFailed("enable or disable a node"))
        return true
      })

      const revoke = Effect.fn("Administration.revoke")(function*(who: string, id: NodeId) {
        const { enabled, epoch } = yield* node(id)
        if (!enabled) return false
        yield* sql.withTransaction(Effect.andThen(
          nodes.startEpoch(id),
          audit.record({
            who,
            what: `node ${id}: tokens revoked`,
            before: `epoch ${epoch}`,
            after: `epoch ${epoch + 1}`
          })
        )).pipe(asStoreFailed("revoke a node's tokens"))
        return true
      })

      const set = Effect.fn("Administration.set")(
        function*(who: string, id: NodeId, setting: NodeSetting, value: string) {
          const before = overridesOf(yield* node(id))
          const after = yield* Effect.fromResult(withSetting(before, setting, value)).pipe(
            Effect.mapError((message) => new SettingRefused({ message }))
          )
          yield* generation.change(Effect.andThen(
            nodes.saveOverrides(id, after),
            audit.record(settingEntry(who, id, setting, { before, after }))
          )).pipe(asStoreFailed("change a node"))
          return after
        }
      )

      return Administration.of({ node, setEnabled, revoke, set })
    })
  )
}
