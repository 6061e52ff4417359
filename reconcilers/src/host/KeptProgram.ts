import { Duration, Effect, Option, Queue, RcMap, type Scope, Semaphore, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { PLAIN_ENVIRONMENT } from "./PlainEnvironment.ts"

/** A program and its arguments. */
export type KeptCommand = readonly [program: string, ...args: ReadonlyArray<string>]

/**
 * Asks a program that reads questions from its standard input, one a line, and answers each with a line: `ip -batch -`,
 * `nft -i`. It is kept for the next time, for starting a program costs ten times what asking it does.
 *
 * None whenever anything is not as it should be: it wrote a complaint, ended, was silent for too long, or answered what
 * the caller does not accept. Then it is done away with, and whoever asked runs the program anew to hear why.
 */
export type Ask = (
  command: KeptCommand,
  questions: ReadonlyArray<string>,
  accepts?: (answers: ReadonlyArray<string>) => boolean
) => Effect.Effect<Option.Option<ReadonlyArray<string>>>

/** A minute passes between two looks at everything: what is not used for longer is not wanted. */
const KEPT_FOR = Duration.minutes(5)

/** Both answer in milliseconds; the program that is run anew has the longer time-out of any other. */
const SILENCE = Duration.seconds(2)

interface Kept {
  readonly ask: (questions: ReadonlyArray<string>) => Effect.Effect<Option.Option<ReadonlyArray<string>>>
}

/** Programs are started when first asked, behind `prefix`, and end with the scope: their standard input ends. */
export const keepPrograms = Effect.fnUntraced(function*(prefix: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const programs = yield* RcMap.make({
    lookup: (command: KeptCommand) => Effect.orElseSucceed(start(spawner, [...prefix, ...command]), () => undefined),
    idleTimeToLive: KEPT_FOR
  })
  let ended = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      ended = true
    })
  )
  const ask: Ask = Effect.fn("KeptProgram.ask")(function*(command, questions, accepts = () => true) {
    if (ended) return Option.none()
    const kept = yield* RcMap.get(programs, command)
    const answers = Option.filter(yield* kept?.ask(questions) ?? Effect.succeedNone, accepts)
    if (Option.isNone(answers)) yield* RcMap.invalidate(programs, command)
    return answers
  }, Effect.scoped)
  return ask
})

const start = Effect.fnUntraced(function*(
  spawner: ChildProcessSpawner.ChildProcessSpawner["Service"],
  [program = "", ...args]: ReadonlyArray<string>
): Effect.fn.Return<Kept, unknown, Scope.Scope> {
  const questions = yield* Queue.unbounded<Uint8Array>()
  /** A line, or undefined for good: there will be no more. */
  const lines = yield* Queue.unbounded<string | undefined>()
  const handle = yield* spawner.spawn(
    ChildProcess.make(program, args, {
      env: PLAIN_ENVIRONMENT,
      extendEnv: false,
      stdin: Stream.fromQueue(questions),
      killSignal: "SIGKILL"
    })
  )
  const noMore = Queue.offer(lines, undefined)
  yield* handle.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEachArray((some) => Queue.offerAll(lines, some)),
    Effect.ignore,
    Effect.andThen(noMore),
    Effect.forkScoped
  )
  yield* handle.stderr.pipe(Stream.runForEach(() => noMore), Effect.ignore, Effect.forkScoped)

  const oneAtATime = Semaphore.makeUnsafe(1).withPermit
  const ask = (asked: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      yield* Queue.offer(questions, new TextEncoder().encode(asked.map((line) => `${line}\n`).join("")))
      const answers: Array<string> = []
      while (answers.length < asked.length) {
        const line = yield* Queue.take(lines)
        // Who asks next is to find the same.
        if (line === undefined) {
          yield* noMore
          return Option.none()
        }
        answers.push(line)
      }
      return Option.some(answers)
    }).pipe(
      Effect.timeoutOrElse({ duration: SILENCE, orElse: () => Effect.as(noMore, Option.none()) }),
      // An answer that nobody waited for would be taken for the next one's.
      Effect.onInterrupt(() => noMore),
      oneAtATime
    )
  return { ask }
})
