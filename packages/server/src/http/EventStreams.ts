import { CONFIG_EVENT, ConfigEvent, HEARTBEAT_MILLIS } from "@patela/domain/api/ConfigEvent"
import type { BootNotAllowed, TokenRefused } from "@patela/domain/api/Problems"
import type { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Context, Duration, Effect, Latch, Layer, Option, Ref, Schema, Stream } from "effect"
import { Generation } from "../generation/Generation.ts"
import { numberSetting } from "../limits/numberSetting.ts"

/** Between two events of one stream: a fleet that boots changes the configuration hundreds of times in a second. */
const BETWEEN_MILLIS = 250

/** An agent has one. One that was cut off may have left another behind, which nobody knows to be dead yet. */
const PER_NODE = 4

const heartbeat = ":\n\n"

const encodeEvent = Schema.encodeEffect(Schema.fromJsonString(ConfigEvent))

const textOf = (generation: number): Effect.Effect<string> =>
  Effect.map(Effect.orDie(encodeEvent({ generation })), (data) => `event: ${CONFIG_EVENT}\ndata: ${data}\n\n`)

/** Where a stream stands: the last generation it told, then when the next event may and heartbeat must be, in Unix ms. */
interface Standing {
  readonly told: number
  readonly quietUntil: number
  readonly due: number
}

const until = (time: number): Effect.Effect<Duration.Duration> =>
  Effect.map(Clock.currentTimeMillis, (now) => Duration.millis(Math.max(0, time - now)))

/**
 * The streams of server-sent events (WHATWG HTML, section 9.2) that announce a new generation. A stream looks for the
 * newest generation when its reader took what came before, so a slow reader holds one line and no more.
 */
export class EventStreams extends Context.Service<EventStreams, {
  /**
   * The text of one stream of a node. It ends when `admitted`, asked at each heartbeat, refuses, when the server ends, and
   * where it is the oldest of a node that opened too many after it.
   */
  readonly open: (
    node: NodeId,
    admitted: Effect.Effect<unknown, TokenRefused | BootNotAllowed>
  ) => Stream.Stream<string>
  /** Ends every stream, and those that are opened later at once. */
  readonly end: Effect.Effect<void>
}>()("@patela/server/http/EventStreams") {
  /** With PATELA_STREAMS_PER_NODE. */
  static readonly layer = Layer.effect(
    EventStreams,
    Effect.gen(function*() {
      const generation = yield* Generation
      const perNode = yield* numberSetting("PATELA_STREAMS_PER_NODE", "how many streams a node may have", PER_NODE)
      let over = false
      /** What ends each stream, the oldest first. */
      const streams = new Map<NodeId, Set<Latch.Latch>>()
      // Thousands of streams tell the same at once.
      const newest = yield* Ref.make({ generation: -1, text: "" })
      const eventText = Effect.fnUntraced(function*(generation: number) {
        const before = yield* Ref.get(newest)
        if (before.generation === generation) return before.text
        const text = yield* textOf(generation)
        yield* Ref.set(newest, { generation, text })
        return text
      })

      /** The newest is the one that the node reads: refusing it would keep out an agent that was cut off. */
      const join = (node: NodeId) =>
        Effect.acquireRelease(
          Effect.gen(function*() {
            const mine = streams.get(node) ?? new Set()
            const [oldest] = mine
            if (oldest !== undefined && mine.size >= perNode) {
              mine.delete(oldest)
              yield* oldest.open
            }
            const ended = yield* Latch.make(false)
            streams.set(node, mine.add(ended))
            return ended
          }),
          (ended) =>
            Effect.sync(() => {
              const mine = streams.get(node)
              mine?.delete(ended)
              if (mine?.size === 0) streams.delete(node)
            })
        )

      const open = (
        node: NodeId,
        admitted: Effect.Effect<unknown, TokenRefused | BootNotAllowed>
      ): Stream.Stream<string> =>
        Stream.unwrap(Effect.gen(function*() {
          if (over) return Stream.empty
          const ended = yield* join(node)
          const nextAbove = yield* Effect.orDie(generation.listen)
          const start = yield* Clock.currentTimeMillis

          const step = Effect.fnUntraced(function*({ told, quietUntil, due }: Standing) {
            yield* Effect.sleep(yield* until(Math.min(quietUntil, due)))
            const left = yield* until(due)
            // A heartbeat that is due goes first: where there is always something to tell, it would never be its turn.
            const next = Duration.toMillis(left) === 0
              ? Option.none<number>()
              : yield* Effect.timeoutOption(nextAbove(told), left)
            const now = yield* Clock.currentTimeMillis
            if (Option.isSome(next)) {
              const after = { told: next.value, quietUntil: now + BETWEEN_MILLIS, due }
              return [[yield* eventText(next.value)], Option.some<Standing>(after)] as const
            }
            const still = yield* Effect.option(admitted)
            return Option.isSome(still)
              ? [[heartbeat], Option.some<Standing>({ told, quietUntil, due: now + HEARTBEAT_MILLIS })] as const
              : [[], Option.none<Standing>()] as const
          })
          return Stream.paginate<Standing, string>(
            { told: -1, quietUntil: start, due: start + HEARTBEAT_MILLIS },
            step
          ).pipe(Stream.interruptWhen(ended.await))
        }))

      const end = Effect.suspend(() => {
        over = true
        return Effect.forEach([...streams.values()].flatMap((mine) => [...mine]), (ended) => ended.open, {
          discard: true
        })
      })
      return EventStreams.of({ open, end })
    })
  )
}
