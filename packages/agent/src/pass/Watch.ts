import type { Kind } from "@patela/domain/reconciler/Kind"
import { Duration, Effect, Queue, Random, Ref, Schedule, Stream } from "effect"
import type { NodeOptions } from "../commands/AgentFlags.ts"
import { kindsFor } from "../Kinds.ts"
import { type Patience, Session } from "../session/Session.ts"
import { pass, troubles } from "./Pass.ts"
import { report } from "./Report.ts"

/** A full look at least this often, give or take a tenth, so that a fleet does not look in step. */
const RESYNC = Duration.seconds(60)

/** Events that come together are one look. */
const DEBOUNCE = Duration.millis(20)

/** Between two tries of a watcher that died. */
const REOPEN = Duration.seconds(1)

/**
 * `reconcile --watch`: a pass now, after every event of the host, and at least every minute. The configuration is
 * asked for at every full look; with the server away the last one stays in force.
 */
export const watch = Effect.fn("Watch.watch")(function*(options: NodeOptions, patience: Patience) {
  const session = yield* Session
  const kinds = kindsFor(options)
  const current = yield* Ref.make(yield* session.config(patience))
  const wanted: Wanted = { look: yield* Queue.sliding<void>(1), full: yield* Ref.make(false) }
  const said = yield* Ref.make("")

  /** Says what is wrong once, and again only when it changed. */
  const sayOnce = Effect.fnUntraced(function*(lines: ReadonlyArray<string>) {
    const text = lines.join("\n")
    if ((yield* Ref.getAndSet(said, text)) === text) return
    if (text === "") yield* Effect.logInfo("all relays are as configured")
    for (const line of lines) yield* Effect.logError(line)
  })

  const refresh = session.config({ total: Duration.zero }).pipe(
    Effect.flatMap((config) => Ref.set(current, config)),
    Effect.catch((error) => sayOnce([`${error.message}; the last configuration stays in force`]))
  )

  const look = Effect.gen(function*() {
    const config = yield* Ref.get(current)
    const result = yield* pass(kinds, config, options.relayInterface)
    yield* sayOnce(troubles(result, config))
    yield* report(result, config)
  }).pipe(Effect.catch((error) => sayOnce([error.message])))

  yield* Effect.forkScoped(listen(kinds, wanted))
  yield* Effect.forkScoped(
    Effect.gen(function*() {
      const tenth = yield* Random.nextBetween(-0.1, 0.1)
      yield* Effect.sleep(Duration.times(RESYNC, 1 + tenth))
      yield* wantFull(wanted)
    }).pipe(Effect.forever)
  )
  yield* look
  return yield* Effect.gen(function*() {
    yield* Queue.take(wanted.look)
    yield* Effect.sleep(DEBOUNCE)
    yield* Queue.clear(wanted.look)
    if (yield* Ref.getAndSet(wanted.full, false)) yield* refresh
    yield* look
  }).pipe(Effect.forever)
}, Effect.scoped)

/** A look that is due, and whether the configuration is to be asked for first. */
interface Wanted {
  readonly look: Queue.Queue<void>
  readonly full: Ref.Ref<boolean>
}

const wantFull = (wanted: Wanted): Effect.Effect<void> =>
  Ref.set(wanted.full, true).pipe(Effect.andThen(Queue.offer(wanted.look, undefined)), Effect.asVoid)

/** Every kind's own events; a watcher that dies is opened again, and the host looked at in full. */
const listen = <Read, Write>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  wanted: Wanted
): Effect.Effect<void, never, Read> =>
  Effect.forEach(
    kinds,
    (kind) =>
      kind.watch.pipe(
        Stream.runForEach((signal) => signal === "look again" ? Queue.offer(wanted.look, undefined) : wantFull(wanted)),
        Effect.tapError((error) => Effect.logWarning(`${kind.kind}: ${error.message}; watching again`)),
        Effect.ensuring(wantFull(wanted)),
        Effect.retry(Schedule.spaced(REOPEN)),
        Effect.ignore
      ),
    { concurrency: "unbounded", discard: true }
  )
