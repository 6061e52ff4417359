import { CONFIG_EVENT, ConfigEvent } from "@patela/domain/api/ConfigEvent"
import type { BootNotAllowed, TokenRefused } from "@patela/domain/api/Problems"
import type { NodeId } from "@patela/domain/node/NodeId"
import { Cause, Clock, Context, Effect, Latch, Layer, Option, RcRef, Schema, Stream } from "effect"
import { Generation } from "../generation/Generation.ts"
import { numberSetting } from "../limits/numberSetting.ts"
import { EventSchedule, type Standing, type Turn } from "./EventSchedule.ts"

/** An agent has one. One that was cut off may have left another behind, which nobody knows to be dead yet. */
const PER_NODE = 4

const utf8 = new TextEncoder()
const heartbeat = [utf8.encode(":\n\n")] as const

const encodeEvent = Schema.encodeSync(Schema.fromJsonString(ConfigEvent))

const eventOf = (generation: number): Uint8Array =>
  utf8.encode(`event: ${CONFIG_EVENT}\ndata: ${encodeEvent({ generation })}\n\n`)

/**
 * The streams of server-sent events (WHATWG HTML, section 9.2) that announce a new generation. A stream looks for the
 * newest generation when its reader took what came before, so a slow reader holds one line and no more.
 *
 * One fiber keeps the time of all of them (`EventSchedule`), and each is woken when it has something to say.
 */
export class EventStreams extends Context.Service<EventStreams, {
  /**
   * One stream of a node, in UTF-8. It ends when `admitted`, asked at each heartbeat, refuses, when the server ends, and
   * where it is the oldest of a node that opened too many after it.
   */
  readonly open: (
    node: NodeId,
    admitted: Effect.Effect<unknown, TokenRefused | BootNotAllowed>
  ) => Stream.Stream<Uint8Array>
  /** Whether the node has a stream here. */
  readonly followed: (node: NodeId) => boolean
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
      const schedule = new EventSchedule()
      /** The streams of each node, the oldest first. */
      const streams = new Map<NodeId, Set<Standing>>()
      /** Opened where the time of the next look may be another. */
      const changed = yield* Latch.make(false)

      // Thousands of streams tell the same at once.
      let newest = { generation: -1, lines: [eventOf(0)] as const }
      const linesOf = (generation: number) => {
        if (newest.generation !== generation) newest = { generation, lines: [eventOf(generation)] }
        return newest.lines
      }

      const keepTime = Effect.gen(function*() {
        changed.closeUnsafe()
        const now = yield* Clock.currentTimeMillis
        const next = schedule.next()
        if (next === undefined) yield* changed.await
        else if (next > now) yield* Effect.timeoutOption(changed.await, next - now)
        schedule.wake(yield* Clock.currentTimeMillis)
      })
      const announce = (generation: number) => {
        schedule.announce(generation)
        changed.openUnsafe()
      }
      /** While there is a stream. */
      const running = yield* RcRef.make({
        acquire: Effect.gen(function*() {
          const nextAbove = yield* Effect.orDie(generation.listen)
          const follow = Effect.suspend(() => Effect.map(nextAbove(schedule.newest), announce))
          yield* Effect.forkScoped(Effect.forever(follow))
          yield* Effect.forkScoped(Effect.forever(keepTime))
        })
      })

      /** The newest is the one that the node reads: refusing it would keep out an agent that was cut off. */
      const join = (node: NodeId) =>
        Effect.acquireRelease(
          Effect.map(Clock.currentTimeMillis, (now) => {
            const mine = streams.get(node) ?? new Set()
            const [oldest] = mine
            if (oldest !== undefined && mine.size >= perNode) {
              mine.delete(oldest)
              schedule.end(oldest)
            }
            const stream = schedule.open(now)
            streams.set(node, mine.add(stream))
            changed.openUnsafe()
            return stream
          }),
          (stream) =>
            Effect.sync(() => {
              schedule.close(stream)
              const mine = streams.get(node)
              mine?.delete(stream)
              if (mine?.size === 0) streams.delete(node)
            })
        )

      /** What a stream has to do, as soon as that is anything. */
      const turnOf = (stream: Standing, clock: Clock.Clock) =>
        Effect.callback<Exclude<Turn, "wait">>((resume) => {
          const look = () => {
            const turn = schedule.turn(stream, clock.currentTimeMillisUnsafe())
            if (turn === "wait") return
            stream.wake = undefined
            resume(Effect.succeed(turn))
          }
          stream.wake = look
          look()
          return Effect.sync(() => {
            stream.wake = undefined
          })
        })

      const open = (
        node: NodeId,
        admitted: Effect.Effect<unknown, TokenRefused | BootNotAllowed>
      ): Stream.Stream<Uint8Array> =>
        Stream.unwrap(Effect.gen(function*() {
          if (over) return Stream.empty
          yield* RcRef.get(running)
          announce(yield* Effect.orDie(generation.current))
          const stream = yield* join(node)
          const clock = yield* Clock.Clock

          const beat = Effect.flatMap(Effect.option(admitted), (still) => {
            if (Option.isNone(still)) return Cause.done()
            schedule.beaten(stream, clock.currentTimeMillisUnsafe())
            changed.openUnsafe()
            return Effect.succeed(heartbeat)
          })
          const pull = Effect.flatMap(turnOf(stream, clock), (turn) => {
            if (turn === "end") return Cause.done()
            if (turn === "heartbeat") return beat
            return Effect.succeed(linesOf(schedule.told(stream, clock.currentTimeMillisUnsafe())))
          })
          return Stream.fromPull(Effect.succeed(pull))
        }))

      const end = Effect.sync(() => {
        over = true
        for (const mine of streams.values()) for (const stream of mine) schedule.end(stream)
      })
      return EventStreams.of({ open, followed: (node) => streams.has(node), end })
    })
  )
}
