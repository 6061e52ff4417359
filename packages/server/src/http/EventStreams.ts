import { CONFIG_EVENT, ConfigEvent } from "@patela/domain/api/ConfigEvent"
import type { BootNotAllowed, TokenRefused } from "@patela/domain/api/Problems"
import type { NodeId } from "@patela/domain/node/NodeId"
import { Cause, Clock, Context, Effect, Exit, FiberSet, Latch, Layer, RcRef, Schema, Scope } from "effect"
import type { HttpServerResponse } from "effect/http"
import { Generation } from "../generation/Generation.ts"
import { numberSetting } from "../limits/numberSetting.ts"
import { EventSchedule, type Standing } from "./EventSchedule.ts"
import type { OpenAnswer, Reader } from "./OpenAnswers.ts"

/** An agent has one. One that was cut off may have left another behind, which nobody knows to be dead yet. */
const PER_NODE = 4

const utf8 = new TextEncoder()
const HEARTBEAT = utf8.encode(":\n\n")

const encodeEvent = Schema.encodeSync(Schema.fromJsonString(ConfigEvent))

const eventOf = (generation: number): Uint8Array =>
  utf8.encode(`event: ${CONFIG_EVENT}\ndata: ${encodeEvent({ generation })}\n\n`)

/** Begins an answer that goes on, for its reader. */
export type Begin<R> = (
  reader: Reader
) => Effect.Effect<
  { readonly answer: OpenAnswer; readonly response: HttpServerResponse.HttpServerResponse },
  never,
  R
>

/**
 * The streams of server-sent events (WHATWG HTML, section 9.2) that announce a new generation. A stream looks for the
 * newest generation when its reader took what came before, so a slow reader holds one line and no more.
 *
 * A stream is no fiber: one keeps the time of all of them (`EventSchedule`), and a heartbeat is a short one.
 */
export class EventStreams extends Context.Service<EventStreams, {
  /**
   * Opens a stream of a node. It ends when `admitted`, asked at each heartbeat, refuses, when the server ends, and where it
   * is the oldest of a node that opened too many after it.
   */
  readonly open: <R>(
    node: NodeId,
    admitted: Effect.Effect<unknown, TokenRefused | BootNotAllowed>,
    begin: Begin<R>
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, never, R>
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
      const fork = yield* FiberSet.makeRuntime()
      let over = false
      const schedule = new EventSchedule()
      /** The streams of each node, the oldest first. */
      const streams = new Map<NodeId, Set<Standing>>()
      /** Opened where the time of the next look may be another. */
      const changed = yield* Latch.make(false)

      // Thousands of streams tell the same at once.
      let newest = { generation: 0, event: eventOf(0) }
      const newestEvent = (generation: number) => {
        if (newest.generation !== generation) newest = { generation, event: eventOf(generation) }
        return newest.event
      }

      const announce = (generation: number) => {
        schedule.announce(generation)
        changed.openUnsafe()
      }
      const keepTime = Effect.gen(function*() {
        changed.closeUnsafe()
        const now = yield* Clock.currentTimeMillis
        const next = schedule.next()
        if (next === undefined) yield* changed.await
        else if (next > now) yield* Effect.timeoutOption(changed.await, next - now)
        schedule.wake(yield* Clock.currentTimeMillis)
      })
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
      const join = (node: NodeId, now: number): Standing => {
        const mine = streams.get(node) ?? new Set()
        const [oldest] = mine
        if (oldest !== undefined && mine.size >= perNode) {
          mine.delete(oldest)
          schedule.end(oldest)
        }
        const stream = schedule.open(now)
        stream.ended = over
        streams.set(node, mine.add(stream))
        return stream
      }
      const leave = (node: NodeId, stream: Standing): void => {
        schedule.close(stream)
        const mine = streams.get(node)
        mine?.delete(stream)
        if (mine?.size === 0) streams.delete(node)
      }

      const open = <R>(
        node: NodeId,
        admitted: Effect.Effect<unknown, TokenRefused | BootNotAllowed>,
        begin: Begin<R>
      ) =>
        // Whoever goes away once the stream has joined the others is seen by its answer's end.
        Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
          const held = yield* Scope.make()
          yield* Scope.provide(RcRef.get(running), held).pipe(
            Effect.andThen(Effect.map(Effect.orDie(generation.current), announce)),
            restore,
            Effect.onError(() => Scope.close(held, Exit.void))
          )
          const clock = yield* Clock.Clock
          const stream = join(node, clock.currentTimeMillisUnsafe())
          let answer: OpenAnswer | undefined
          let closed = false
          let pending: "reader" | "admission" | undefined

          const say = (bytes: Uint8Array): void => {
            pending = answer?.write(bytes) === true ? undefined : "reader"
            look()
          }
          const beat = Effect.matchCauseEffect(admitted, {
            onFailure: (cause) =>
              Effect.andThen(
                Cause.hasDies(cause) ? Effect.logError(`a stream of node ${node} is ended`, cause) : Effect.void,
                Effect.sync(() => schedule.end(stream))
              ),
            onSuccess: () =>
              Effect.sync(() => {
                schedule.beaten(stream, clock.currentTimeMillisUnsafe())
                changed.openUnsafe()
                say(HEARTBEAT)
              })
          })
          const look = (): void => {
            if (answer === undefined) return
            const now = clock.currentTimeMillisUnsafe()
            const turn = schedule.turn(stream, now)
            if (turn === "end") {
              stream.wake = undefined
              return answer.end()
            }
            if (turn === "wait" || pending !== undefined) return
            if (turn === "event") return say(newestEvent(schedule.told(stream, now)))
            pending = "admission"
            fork(beat)
          }
          stream.wake = look
          const { answer: begun, response } = yield* begin({
            drained: () => {
              if (pending === "reader") pending = undefined
              look()
            },
            closed: () => {
              closed = true
              answer = undefined
              leave(node, stream)
              fork(Scope.close(held, Exit.void))
            }
          })
          changed.openUnsafe()
          if (!closed) answer = begun
          look()
          return response
        }))

      const end = Effect.sync(() => {
        over = true
        for (const mine of streams.values()) for (const stream of mine) schedule.end(stream)
      })
      return EventStreams.of({ open, followed: (node) => streams.has(node), end })
    })
  )
}
