import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { SignOfLife } from "@patela/reconcilers/host/SignOfLife"
import { Clock, DateTime, Duration, Effect, Metric, Option, Random, Ref, type Stream } from "effect"
import { troubleText } from "../converge/Trouble.ts"
import { AgentState } from "../host/AgentState.ts"
import { KeptConfig } from "../host/KeptConfig.ts"
import { ServiceNotify } from "../host/ServiceNotify.ts"
import { generationDesired, startAtZero } from "../metrics/AgentMetrics.ts"
import { observePass } from "../metrics/observePass.ts"
import { changeText, pass } from "../pass/Pass.ts"
import { enforcedFor } from "../pass/Quarantine.ts"
import { statusAfter } from "../status/AgentStatus.ts"
import { StatusFile } from "../status/StatusFile.ts"
import { followConfig } from "./ConfigFollower.ts"
import { listen } from "./Listeners.ts"
import { makeReporter } from "./Reporter.ts"
import { afterPass, contendedIn, emptyBook, forgetRetries, holdBy, nextDue, type RetryBook } from "./RetryBook.ts"
import { makeSayOnce } from "./SayOnce.ts"
import { type Situation, situationAfter, unknownSituation } from "./Situation.ts"
import { makeTurns } from "./Turns.ts"
import { type Dirty, isClean, makeWanted, type Wanted } from "./Wanted.ts"

/** A full look at least this often, give or take a tenth, so that a fleet does not look in step. */
const RESYNC = Duration.seconds(60)

/**
 * Events that come together are one look: what the kernel tells of one transaction comes within a millisecond or two. What
 * comes later is the next look's, and BREATH says how soon that may be.
 */
const DEBOUNCE = Duration.millis(10)

/** Between the end of a pass and the next one: a storm of events is looked at ten times a second, the last one for sure. */
const BREATH = Duration.millis(100)

/** Before the next try when no pass could be made at all. */
const NO_PASS = Duration.seconds(2)

/** What a watching agent has in hand. */
interface Watching {
  /** What the server last said. */
  readonly latest: Ref.Ref<NodeConfig>
  readonly book: Ref.Ref<RetryBook>
  readonly situation: Ref.Ref<Situation>
  /** When the loop last turned, in milliseconds since 1970: the sign of life that the watchdog passes on. */
  readonly turned: Ref.Ref<number>
}

export interface WatchOptions<E> {
  /** That the configuration may have changed, as the server says it. */
  readonly events: Stream.Stream<unknown, E>
  readonly relayInterface: string | undefined
}

/**
 * `reconcile --watch`: a full pass now, and at least every minute; after an event a pass of the kinds that it concerns.
 * The server's configuration is followed beside that, and what is to be told is told beside that: with the server away the
 * last configuration is enforced as before.
 */
export const watch = Effect.fn("Watch.watch")(function*<Read, Write, E extends { readonly message: string }>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  first: NodeConfig,
  { events, relayInterface }: WatchOptions<E>
) {
  const wanted = yield* makeWanted
  const watching: Watching = {
    latest: yield* Ref.make(first),
    book: yield* Ref.make(emptyBook),
    situation: yield* Ref.make(unknownSituation),
    turned: yield* Ref.make(yield* Clock.currentTimeMillis)
  }
  const divided = makeTurns(kinds)
  const turn = yield* makeTurn(kinds, relayInterface, watching, wanted)
  const notify = yield* ServiceNotify
  yield* startAtZero
  yield* Metric.update(generationDesired, first.generation)

  yield* Effect.forkScoped(listen(kinds, wanted))
  yield* Effect.forkScoped(resync(wanted))
  const forget = Effect.andThen(Ref.update(watching.book, forgetRetries), wanted.full)
  yield* Effect.forkScoped(followConfig(watching.latest, events, forget))
  yield* Effect.forkScoped(signsOfLife(watching.turned))

  yield* Effect.addFinalizer(() => notify.say("STOPPING=1"))
  yield* turn({ kinds: new Set(), full: true })
  yield* notify.say("READY=1")
  return yield* Effect.forever(Effect.gen(function*() {
    yield* nextWanted(wanted, watching)
    yield* Effect.sleep(DEBOUNCE)
    const dirty = yield* wanted.take
    // What was asked for may have been answered meanwhile.
    if (isClean(dirty)) return
    const { later, now } = divided(dirty)
    if (later.size > 0) yield* wanted.look(later)
    yield* turn(now)
    yield* Effect.sleep(BREATH)
  }))
}, Effect.scoped)

const resync = (wanted: Wanted) =>
  Effect.gen(function*() {
    const tenth = yield* Random.nextBetween(-0.1, 0.1)
    yield* Effect.sleep(Duration.times(RESYNC, 1 + tenth))
    yield* wanted.full
  }).pipe(Effect.forever)

/** Waits for an event, or until something that failed is due again. */
const nextWanted = Effect.fnUntraced(function*(wanted: Wanted, { book, situation }: Watching) {
  const now = yield* Clock.currentTimeMillis
  const troubled = new Set((yield* Ref.get(situation)).troubles.map(({ address }) => address))
  const due = nextDue(yield* Ref.get(book), troubled, now)
  if (due === undefined) return yield* wanted.some
  const inTime = yield* Effect.timeoutOption(wanted.some, Duration.millis(due.at - now))
  if (Option.isNone(inTime)) yield* wanted.look(due.kinds)
})

/** One pass and what follows from it. A pass that cannot be made is said, and tried again at the next event or minute. */
const makeTurn = Effect.fnUntraced(function*<Read, Write>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  relayInterface: string | undefined,
  watching: Watching,
  wanted: Wanted
) {
  const state = yield* AgentState
  const kept = yield* KeptConfig
  const status = yield* StatusFile
  const notify = yield* ServiceNotify
  const reporter = yield* makeReporter
  const { say } = yield* makeSayOnce((line) => Effect.logError(line), "everything is as configured again")
  const random = yield* Random.Random

  return (dirty: Dirty) =>
    Effect.gen(function*() {
      const began = yield* Clock.currentTimeMillis
      yield* Ref.set(watching.turned, began)
      const latest = yield* Ref.get(watching.latest)
      const { config, takenBack } = enforcedFor(latest, yield* state.read, yield* kept.read)
      const book = yield* Ref.get(watching.book)
      const alive = Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.set(watching.turned, now))
      const result = yield* pass(kinds, config, {
        relayInterface,
        hold: holdBy(book, began),
        ...(dirty.full ? {} : { only: dirty.kinds })
      }).pipe(Effect.provideService(SignOfLife, alive))
      const { cameUp, lookedAt } = result.convergence
      yield* wanted.answered(lookedAt)
      if (cameUp.size > 0) yield* wanted.look(cameUp)
      const ended = yield* Clock.currentTimeMillis
      yield* Ref.update(watching.book, (before) => afterPass(before, result, ended, () => random.nextDoubleUnsafe()))
      const situation = yield* Ref.updateAndGet(watching.situation, (before) => situationAfter(before, result))
      const contended = contendedIn(yield* Ref.get(watching.book), ended)
      const after = yield* status.update((before) =>
        statusAfter(before, {
          config,
          situation,
          takenBack,
          contended,
          changes: result.convergence.changes.map(changeText),
          at: DateTime.formatIso(DateTime.makeUnsafe(ended))
        })
      )
      yield* say([
        ...(after.rolled_back === null ? [] : [`the server's configuration is not in force: ${after.rolled_back}`]),
        ...situation.troubles.map(troubleText),
        ...contended.map((address) => `${address} is contended: something keeps changing it`)
      ])
      yield* reporter.tell({
        config,
        troubles: situation.troubles,
        takenBack: after.rolled_back ?? undefined,
        changed: result.convergence.changes.length > 0
      })
      const { troubles } = situation
      yield* observePass({
        result,
        config,
        troubles,
        contended: contended.length,
        seconds: (ended - began) / 1000
      })
      yield* notify.status(statusLine(after.verdict, config.relays.length, situation.troubles.length))
      // What was in force before is to be in force again at once.
      if (result.rolledBack !== undefined) yield* wanted.full
    }).pipe(
      // Another agent has the lock, or the host's links cannot be read.
      Effect.catch(({ message }) =>
        say([message]).pipe(Effect.andThen(Effect.sleep(NO_PASS)), Effect.andThen(wanted.full))
      )
    )
})

const statusLine = (verdict: string, relays: number, troubles: number): string =>
  troubles === 0 ? `${verdict}: ${relays} relays` : `${verdict}: ${relays} relays, ${troubles} resources in trouble`

/** A loop that did not turn for so long hangs: then the watchdog is left to do its work. */
const HANGS = Duration.minutes(10)

/** Tells systemd's watchdog that the loop turns, twice in each of its intervals. */
const signsOfLife = Effect.fnUntraced(function*(turned: Ref.Ref<number>) {
  const notify = yield* ServiceNotify
  if (Option.isNone(notify.watchdog)) return
  const every = Duration.times(notify.watchdog.value, 0.5)
  while (true) {
    yield* Effect.sleep(every)
    const silent = (yield* Clock.currentTimeMillis) - (yield* Ref.get(turned))
    if (silent < Duration.toMillis(HANGS)) yield* notify.say("WATCHDOG=1")
  }
})
