import type { NodeId } from "@patela/domain/node/NodeId"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { checkLayerText } from "@patela/domain/torrc/checkLayer"
import type { TorrcNote } from "@patela/domain/torrc/Torrc"
import type { TorrcSyntaxError } from "@patela/domain/torrc/TorrcSyntaxError"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { Administration, type NodeUnknown } from "../nodes/Administration.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Relays } from "../relays/Relays.ts"
import { RelayUnknown } from "../relays/RelayUnknown.ts"
import { Settings } from "../settings/Settings.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { resolveTorrc } from "./resolveTorrc.ts"

/** Which layer: of all relays, of one node's, of one relay. */
export type TorrcScope =
  | { readonly of: "default" }
  | { readonly of: "node"; readonly id: NodeId }
  | { readonly of: "relay"; readonly name: RelayName }

export const scopeText = (scope: TorrcScope): string =>
  scope.of === "default" ? "default" : scope.of === "node" ? `node ${scope.id}` : `relay ${scope.name}`

/** The torrc sets options that a configuration must not: all of them are named by line. */
export class TorrcRefused extends Schema.TaggedError<TorrcRefused>()("TorrcRefused", { message: Schema.String }) {
  static of(refusals: ReadonlyArray<TorrcNote>): TorrcRefused {
    const lines = refusals.map(({ line, message }) => `line ${line}: ${message}`)
    return new TorrcRefused({
      message: `The torrc is refused and nothing of it is stored. Take these lines out and import it again:\n${
        lines.join("\n")
      }`
    })
  }
}

type ScopeUnknown = NodeUnknown | RelayUnknown | StoreFailed

/** The layers of torrc, as they were imported: comments and all. */
export class TorrcLayers extends Context.Service<TorrcLayers, {
  /** Stores a layer and answers with warnings; where anything is refused nothing is stored. */
  readonly import: (
    who: string,
    scope: TorrcScope,
    text: string
  ) => Effect.Effect<ReadonlyArray<TorrcNote>, TorrcSyntaxError | TorrcRefused | ScopeUnknown>
  readonly get: (scope: TorrcScope) => Effect.Effect<string, ScopeUnknown>
  /** The layer merged with those below it. */
  readonly resolved: (scope: TorrcScope) => Effect.Effect<string, ScopeUnknown>
}>()("@patela/server/torrc/TorrcLayers") {
  static readonly layer = Layer.effect(
    TorrcLayers,
    Effect.gen(function*() {
      const generation = yield* Generation
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

      const global = Effect.map(settings.torrc, Option.getOrElse(() => ""))

      const textsOf = Effect.fnUntraced(function*(scope: TorrcScope) {
        if (scope.of === "default") return { global: yield* global, node: "", relay: "", own: yield* global }
        if (scope.of === "node") {
          const { torrc } = yield* administration.node(scope.id)
          return { global: yield* global, node: torrc, relay: "", own: torrc }
        }
        const { torrc, node_id } = yield* relay(scope.name)
        const node = yield* administration.node(node_id)
        return { global: yield* global, node: node.torrc, relay: torrc, own: torrc }
      })

      const save = (scope: TorrcScope, text: string) =>
        scope.of === "default"
          ? settings.saveTorrc(text)
          : scope.of === "node"
          ? nodes.saveTorrc(scope.id, text)
          : relays.saveTorrc(scope.name, text)

      const importLayer = Effect.fn("TorrcLayers.import")(function*(who: string, scope: TorrcScope, text: string) {
        const before = yield* textsOf(scope)
        const { warnings, refusals } = yield* Effect.fromResult(
          checkLayerText(text, { testNetwork: yield* testNetwork })
        )
        if (refusals.length > 0) return yield* TorrcRefused.of(refusals)
        yield* generation.change(Effect.andThen(
          save(scope, text),
          audit.record({ who, what: `torrc of ${scopeText(scope)} imported`, before: before.own, after: text })
        )).pipe(asStoreFailed("store a torrc layer"))
        return warnings
      })

      return TorrcLayers.of({
        import: importLayer,
        get: Effect.fn("TorrcLayers.get")(function*(scope: TorrcScope) {
          return (yield* textsOf(scope)).own
        }),
        resolved: Effect.fn("TorrcLayers.resolved")(function*(scope: TorrcScope) {
          return resolveTorrc(yield* textsOf(scope), yield* testNetwork)
        })
      })
    })
  )
}
