import { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Relays } from "../relays/Relays.ts"
import { settingRows } from "../settings/settingRows.ts"
import { type NetworkMissing, Telling } from "../settings/Telling.ts"
import { asStoreFailed, sqlAsStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { Held } from "./Held.ts"
import { type Verdict, verdictOn } from "./verdictOn.ts"

/** A rollout is under way, or none is. Nothing was changed; the message says what to do. */
export class RolloutRefused extends Schema.TaggedError<RolloutRefused>()("RolloutRefused", {
  message: Schema.String
}) {
  static readonly none = new RolloutRefused({
    message: "No rollout is under way: none was begun, or it was ended. Begin one: patela rollout begin"
  })
}

/** The nodes that a rollout has come to, and the generation of their release; when the newest was, in Unix milliseconds. */
const Under = Schema.Struct({
  released: Schema.Array(Schema.Struct({ node: NodeId, generation: Schema.Int })),
  released_at: Schema.optionalKey(Schema.Int)
})
type Under = typeof Under.Type

/** How a rollout stands. */
export interface Standing {
  readonly held: ReadonlyArray<NodeId>
  readonly released: ReadonlyArray<{ readonly node: NodeId; readonly verdict: Verdict }>
  /** When nodes were released last, in Unix milliseconds; null where none were. */
  readonly released_at: number | null
}

const SETTING = "rollout"

/** Rollouts: a change of the configuration comes to some nodes at a time. Each step is one transaction, and in the audit log. */
export class Rollout extends Context.Service<Rollout, {
  /** None where no rollout is under way. */
  readonly standing: Effect.Effect<Option.Option<Standing>, StoreFailed>
  /** Holds every enabled node at what it is told now: how many. */
  readonly begin: (who: string) => Effect.Effect<number, RolloutRefused | NetworkMissing | StoreFailed>
  /** Lets so many more nodes see the configuration: which. */
  readonly release: (who: string, count: number) => Effect.Effect<ReadonlyArray<NodeId>, RolloutRefused | StoreFailed>
  /** Releases all that are left, and ends the rollout: how many were. */
  readonly end: (who: string) => Effect.Effect<number, RolloutRefused | StoreFailed>
}>()("@patela/server/rollout/Rollout") {
  static readonly layer = Layer.effect(
    Rollout,
    Effect.gen(function*() {
      const generation = yield* Generation
      const nodes = yield* Nodes
      const relays = yield* Relays
      const telling = yield* Telling
      const held = yield* Held
      const audit = yield* Audit
      const Text = Schema.fromJsonString(Schema.NullOr(Under))
      const rows = yield* settingRows(Text)

      const under = rows.read(SETTING).pipe(
        Effect.map(Option.flatMap(({ value }) => Option.fromNullOr(value))),
        asStoreFailed("read how the rollout stands")
      )
      const save = Effect.fnUntraced(function*(state: Under | null) {
        yield* rows.write(SETTING, yield* Schema.encodeEffect(Text)(state))
      }, asStoreFailed("store how the rollout stands"))

      const underWay = Effect.flatMap(
        under,
        Option.match({
          onNone: () => Effect.fail(RolloutRefused.none),
          onSome: Effect.succeed
        })
      )

      const begin = Effect.fn("Rollout.begin")(
        function*(who: string) {
          if (Option.isSome(yield* under)) {
            return yield* new RolloutRefused({
              message:
                "A rollout is under way. Go on with it: patela rollout run --nodes N; or end it: patela rollout end"
            })
          }
          const enabled = (yield* nodes.list).filter((node) => node.enabled)
          for (const row of enabled) {
            yield* held.hold({ node_id: row.id, relays: yield* telling.relaysOf(row), node: yield* telling.of(row) })
          }
          yield* save({ released: [] })
          yield* audit.record({ who, what: "rollout begun", before: null, after: `${enabled.length} nodes held` })
          return enabled.length
        },
        generation.change,
        sqlAsStoreFailed("begin the rollout")
      )

      const letGo = Effect.fnUntraced(function*(who: string, chosen: ReadonlyArray<NodeId>) {
        if (chosen.length === 0) return
        yield* held.release(chosen)
        yield* audit.record({ who, what: "rollout: nodes released", before: null, after: chosen.join(" ") })
      })

      const release = Effect.fn("Rollout.release")(
        function*(who: string, count: number) {
          const before = yield* underWay
          const chosen = (yield* held.nodes).slice(0, count)
          yield* letGo(who, chosen)
          // The transaction counts one at its end, whatever it changed.
          const next = (yield* generation.current) + (chosen.length === 0 ? 0 : 1)
          yield* save({
            released: [...before.released, ...chosen.map((node) => ({ node, generation: next }))],
            released_at: yield* Clock.currentTimeMillis
          })
          return chosen
        },
        generation.change,
        sqlAsStoreFailed("release nodes")
      )

      const end = Effect.fn("Rollout.end")(
        function*(who: string) {
          yield* underWay
          const left = yield* held.nodes
          yield* letGo(who, left)
          yield* save(null)
          yield* audit.record({ who, what: "rollout ended", before: null, after: null })
          return left.length
        },
        generation.change,
        sqlAsStoreFailed("end the rollout")
      )

      const standing = Effect.gen(function*() {
        const state = yield* under
        if (Option.isNone(state)) return Option.none<Standing>()
        const all = new Map((yield* nodes.list).map((node) => [node.id, node]))
        const theirs = yield* relays.list
        const released = state.value.released.flatMap(({ node: id, generation: at }) => {
          const node = all.get(id)
          if (node === undefined) return []
          return [{ node: id, verdict: verdictOn(node, theirs.filter(({ node_id }) => node_id === id), at) }]
        })
        return Option.some<Standing>({
          held: yield* held.nodes,
          released,
          released_at: state.value.released_at ?? null
        })
      })

      return Rollout.of({ standing, begin, release, end })
    })
  )
}
