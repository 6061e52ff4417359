import { CONFIG_EVENT, ConfigEvent, HEARTBEAT_MILLIS } from "@patela/domain/api/ConfigEvent"
import type { BootNotAllowed, TokenRefused } from "@patela/domain/api/Problems"
import { Clock, Context, Duration, Effect, Latch, Layer, Option, Schema, Stream } from "effect"
import { Generation } from "../generation/Generation.ts"

/** Between two events of one stream: a fleet that boots changes the configuration hundreds of times in a second. */
const BETWEEN_MILLIS = 250

const heartbeat = ":\n\n"

const encodeEvent = Schema.encodeEffect(Schema.fromJsonString(ConfigEvent))

const eventText = (generation: number): Effect.Effect<string> =>
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
  /** The text of one stream. It ends when `admitted`, asked at each heartbeat, refuses, and when the server ends. */
  readonly open: (admitted: Effect.Effect<unknown, TokenRefused | BootNotAllowed>) => Stream.Stream<string>
  /** Ends every stream, and those that are opened later at once. */
  readonly end: Effect.Effect<void>
}>()("@patela/server/http/EventStreams") {
  static readonly layer = Layer.effect(
    EventStreams,
    Effect.gen(function*() {
      const generation = yield* Generation
      const ending = yield* Latch.make(false)

      const open = (admitted: Effect.Effect<unknown, TokenRefused | BootNotAllowed>): Stream.Stream<string> =>
        Stream.unwrap(Effect.gen(function*() {
          if (Latch.isOpen(ending)) return Stream.empty
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
          return Stream.paginate<Standing, string>({ told: -1, quietUntil: start, due: start + HEARTBEAT_MILLIS }, step)
        })).pipe(Stream.interruptWhen(ending.await))

      return EventStreams.of({ open, end: Effect.asVoid(ending.open) })
    })
  )
}
