import type { NodeId } from "@patela/domain/node/NodeId"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { checkLayerText } from "@patela/domain/torrc/checkLayer"
import { editLayer, type EditRefused, type LayerEdit } from "@patela/domain/torrc/editLayer"
import { noteText } from "@patela/domain/torrc/Torrc"
import type { TorrcSyntaxError } from "@patela/domain/torrc/TorrcSyntaxError"
import { Context, Effect, Layer, Option } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Family } from "../family/Family.ts"
import { Generation } from "../generation/Generation.ts"
import { Administration, type NodeUnknown } from "../nodes/Administration.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Relays } from "../relays/Relays.ts"
import { RelayUnknown } from "../relays/RelayUnknown.ts"
import { Settings } from "../settings/Settings.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import { type ExplainedLine, explainTorrc, type LayerOwners } from "./explainTorrc.ts"
import { type FleetChange, fleetChange, type LayeredRelay } from "./fleetChange.ts"
import { layerReader, type LayerTexts, resolveTorrc } from "./resolveTorrc.ts"
import { TorrcRefused } from "./TorrcRefused.ts"
import { scopeText, type TorrcScope } from "./TorrcScope.ts"

/** What a change makes of the text of a layer. Without an option the whole of it was replaced. */
export interface LayerChange {
  readonly before: string
  readonly after: string
  readonly option: string | null
  /** What a person should know, by line and column of the text after it. */
  readonly warnings: ReadonlyArray<string>
}

type ScopeUnknown = NodeUnknown | RelayUnknown | StoreFailed
type ChangeFailed = EditRefused | TorrcSyntaxError | TorrcRefused | ScopeUnknown

/** The layers of torrc, as they were imported: comments and all. */
export class TorrcLayers extends Context.Service<TorrcLayers, {
  /** Changes a layer, or leaves it where the change says what it says; where anything is refused nothing is stored. */
  readonly change: (who: string, scope: TorrcScope, edit: LayerEdit) => Effect.Effect<LayerChange, ChangeFailed>
  /** Replaces a layer. */
  readonly import: (who: string, scope: TorrcScope, text: string) => Effect.Effect<LayerChange, ChangeFailed>
  /** What a change would do to the layer, and to every relay; nothing is stored. */
  readonly preview: (
    scope: TorrcScope,
    edit: LayerEdit
  ) => Effect.Effect<LayerChange & { readonly fleet: FleetChange }, ChangeFailed>
  readonly get: (scope: TorrcScope) => Effect.Effect<string, ScopeUnknown>
  /** The layer merged with those below it. */
  readonly resolved: (scope: TorrcScope) => Effect.Effect<string, ScopeUnknown>
  /** The same by line, each with where it is from; of a relay with Patela's own lines. */
  readonly explained: (scope: TorrcScope) => Effect.Effect<ReadonlyArray<ExplainedLine>, ScopeUnknown>
}>()("@patela/server/torrc/TorrcLayers") {
  static readonly layer = Layer.effect(
    TorrcLayers,
    Effect.gen(function*() {
      const generation = yield* Generation
      const family = yield* Family
      // Of two who set an option each, the second must see what the first one set.
      const turn = yield* makeTurn("torrc")
      const settings = yield* Settings
      const nodes = yield* Nodes
      const relays = yield* Relays
      const audit = yield* Audit
      const administration = yield* Administration

      const relay = Effect.fnUntraced(function*(name: RelayName) {
        const found = yield* relays.find(name)
        if (Option.isSome(found)) return found.value
        return yield* RelayUnknown.of(name)
      })

      const testNetwork = Effect.map(settings.network, Option.exists((network) => network.test_network))
      const reader = Effect.map(testNetwork, layerReader)

      const global = Effect.map(settings.torrc, Option.getOrElse(() => ""))

      const ownersAt = Effect.fnUntraced(function*(id: NodeId, own: Pick<LayerOwners, "relay">) {
        const node = yield* administration.node(id)
        const relayCount = (yield* relays.ofNode(id)).length
        const declared = yield* family.told(node)
        const network = Option.getOrUndefined(yield* settings.network)
        return { node, relayCount, network, ...own, ...declared === undefined ? {} : { family: declared } }
      })

      const owners = Effect.fnUntraced(function*(scope: TorrcScope): Effect.fn.Return<LayerOwners, ScopeUnknown> {
        if (scope.of === "default") return { relayCount: 0, network: undefined }
        if (scope.of === "node") return yield* ownersAt(scope.id, {})
        const found = yield* relay(scope.name)
        return yield* ownersAt(found.node_id, { relay: found })
      })

      const textsOf = Effect.fnUntraced(function*(scope: TorrcScope): Effect.fn.Return<LayerTexts, ScopeUnknown> {
        const { node, relay } = yield* owners(scope)
        return { global: yield* global, node: node?.torrc ?? "", relay: relay?.torrc ?? "" }
      })

      const get = Effect.fn("TorrcLayers.get")(function*(scope: TorrcScope) {
        return (yield* textsOf(scope))[scope.of === "default" ? "global" : scope.of]
      })

      const save = (scope: TorrcScope, text: string) =>
        scope.of === "default"
          ? settings.saveTorrc(text)
          : scope.of === "node"
          ? nodes.saveTorrc(scope.id, text)
          : relays.saveTorrc(scope.name, text)

      const changeOf = Effect.fnUntraced(function*(
        scope: TorrcScope,
        edit: LayerEdit
      ): Effect.fn.Return<LayerChange, ChangeFailed> {
        const before = yield* get(scope)
        const edited = yield* Effect.fromResult(editLayer(before, edit))
        const checked = yield* Effect.fromResult(checkLayerText(edited.text, { testNetwork: yield* testNetwork }))
        if (checked.refusals.length > 0) return yield* TorrcRefused.of(checked.refusals)
        // Who sets one option hears nothing of the others.
        const about = checked.warnings.filter(({ line }) => edited.option === null || edited.lines.includes(line))
        const warnings = [...edited.warnings, ...about.map(noteText)]
        return { before, after: edited.text, option: edited.option, warnings }
      })

      const inOneTransaction = Effect.fnUntraced(function*(who: string, scope: TorrcScope, edit: LayerEdit) {
        yield* turn.take
        const change = yield* changeOf(scope, edit)
        const { before, after, option } = change
        // A default layer that is empty differs from none, which `patela run` asks for.
        if (option !== null && after === before) return change
        yield* save(scope, after)
        const what = edit.how === "replace" ? " imported" : `: ${option} ${edit.how === "set" ? "set" : "removed"}`
        yield* audit.record({ who, what: `torrc of ${scopeText(scope)}${what}`, before, after })
        return change
      }, generation.change)

      const change = Effect.fn("TorrcLayers.change")((who: string, scope: TorrcScope, edit: LayerEdit) =>
        inOneTransaction(who, scope, edit).pipe(
          Effect.catchTag("SqlError", (error) => Effect.fail(error).pipe(asStoreFailed("store a torrc layer")))
        )
      )

      const layered = Effect.gen(function*() {
        const texts = { global: yield* global }
        const ofNodes = new Map((yield* nodes.list).map(({ id, torrc }) => [id, torrc]))
        return (yield* relays.list).map(({ name, node_id: node, torrc }): LayeredRelay => ({
          name,
          node,
          layers: { ...texts, node: ofNodes.get(node) ?? "", relay: torrc }
        }))
      })

      return TorrcLayers.of({
        change,
        import: (who, scope, text) => change(who, scope, { how: "replace", text }),
        preview: Effect.fn("TorrcLayers.preview")(function*(scope: TorrcScope, edit: LayerEdit) {
          const change = yield* changeOf(scope, edit)
          return { ...change, fleet: fleetChange(yield* layered, scope, change.after, yield* reader) }
        }),
        get,
        resolved: Effect.fn("TorrcLayers.resolved")(function*(scope: TorrcScope) {
          return resolveTorrc(yield* textsOf(scope), yield* reader)
        }),
        explained: Effect.fn("TorrcLayers.explained")(function*(scope: TorrcScope) {
          return explainTorrc(yield* textsOf(scope), yield* owners(scope), yield* reader)
        })
      })
    })
  )
}
