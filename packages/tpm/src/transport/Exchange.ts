import { Duration, Effect, Option, RcRef, Scope } from "effect"
import { randomBytes } from "node:crypto"
import { type Command, encodeCommand } from "../command/Command.ts"
import { flushContext } from "../command/context.ts"
import { readParameters, readResponse, type Response } from "../command/response.ts"
import { NONCE_BYTES, type ProtectedSession } from "../session/ProtectedSession.ts"
import { type Authorisation, sealCommand } from "../session/sealCommand.ts"
import type { CannotConnect, Connect, Connection } from "./Connection.ts"
import { refusalOf } from "./refusalOf.ts"
import { asksToTryAgain } from "./ResponseCode.ts"
import type { Tcti } from "./Tcti.ts"
import { TpmAnswerForged, TpmAnswerUnreadable, TpmBusy, type TpmError } from "./TpmError.ts"
import { absentAt, closedAt, inUseAt, lostAt, silentFor } from "./unreachable.ts"

/** How long a command may take that says nothing else. A TPM takes milliseconds, a busy one may need some more. */
const LIMIT = Duration.seconds(10)
/** How long a connection that nobody uses stays open: a bare TPM serves one client, and others wait. */
const LINGER = Duration.millis(100)
/** The first and the longest pause before a TPM is asked again that is busy. */
const FIRST_PAUSE = 5
const LONGEST_PAUSE = 250
/** How often a device that is in use is tried again: a quarter of a second. */
const BUSY_TRIES = 50
/** How long the flush of a session may take when its connection is closed. */
const FAREWELL = Duration.seconds(1)

const forgedAt = (tcti: Tcti, command: string): TpmAnswerForged =>
  new TpmAnswerForged({
    command,
    message: `The answer to ${command} was changed on its way from the TPM at ${tcti}, or is not the TPM's. ` +
      "Something sits between this process and the TPM: look at the board and at who serves that address."
  })

type Done = Extract<Response, { readonly answer: "done" }>

/** A connection for as long as objects of ours are in the TPM: those of a resource manager go with it. */
export interface Line {
  /** Sends one command. A TPM that asks to be tried again is, until the command's time is over. */
  readonly send: <A>(command: Command<A>, authorisations?: ReadonlyArray<Authorisation>) => Effect.Effect<A, TpmError>
  /** What stays in the TPM as long as the connection is open; a line that sent nothing has none. */
  readonly resident: () => Resident
}

/** A session that is used by one line after the other. */
export interface Resident {
  session: ProtectedSession | undefined
}

/**
 * Commands to the TPM at an address, one at a time, each with a deadline. Gives lines: all of a line goes through one
 * connection, and the next line has a new one if that was lost. Nothing is opened before the first command.
 */
export const makeExchange = Effect.fnUntraced(function*(tcti: Tcti, connect: Connect) {
  const acquire = Effect.gen(function*() {
    const connection = yield* connect
    const resident: Resident = { session: undefined }
    yield* Effect.addFinalizer(() =>
      resident.session === undefined || !connection.isOpen()
        ? Effect.void
        : connection.exchange(encodeCommand(flushContext(resident.session.handle), [])).pipe(
          Effect.timeoutOption(FAREWELL),
          Effect.ignore
        )
    )
    return { connection, resident }
  })
  const shared = yield* RcRef.make({ acquire, idleTimeToLive: LINGER })

  const failureOf = (error: CannotConnect, command: string): TpmError => {
    switch (error.code) {
      case "EBUSY":
        return inUseAt(tcti, command)
      case "EACCES":
      case "EPERM":
        return closedAt(tcti, command)
      default:
        return absentAt(tcti)
    }
  }

  const open = RcRef.get(shared).pipe(
    Effect.flatMap((found) =>
      found.connection.isOpen()
        ? Effect.succeed(found)
        // The old one stays counted until the scope ends, and is closed already.
        : Effect.andThen(RcRef.invalidate(shared), RcRef.get(shared))
    )
  )
  // Two programs that wait for a swtpm fill the queue of its socket (unix(7), EAGAIN of connect), and an exclusive device
  // is busy while our own connection before is being closed.
  const openInTurn = (tries = 0): typeof open =>
    open.pipe(
      Effect.catch((error) =>
        error.code === "EAGAIN" || (error.code === "EBUSY" && tries < BUSY_TRIES)
          ? Effect.andThen(Effect.sleep(FIRST_PAUSE), openInTurn(tries + 1))
          : Effect.fail(error)
      )
    )

  const line: Effect.Effect<Line, never, Scope.Scope> = Effect.map(Effect.scope, (scope) => {
    let held: { readonly connection: Connection; readonly resident: Resident } | undefined
    const connected = Effect.suspend(() =>
      held === undefined ? Scope.provide(openInTurn(), scope) : Effect.succeed(held)
    ).pipe(Effect.map((found) => (held = found).connection))

    const send: Line["send"] = Effect.fnUntraced(function*<A>(
      command: Command<A>,
      authorisations: ReadonlyArray<Authorisation> = []
    ): Effect.fn.Return<A, TpmError> {
      const limit = command.limit ?? LIMIT
      const unreadable = ({ message }: { readonly message: string }) =>
        new TpmAnswerUnreadable({
          command: command.name,
          message: `${command.name} was answered with what cannot be understood: ${message}`
        })
      // A command that was not done is sent again as it was: the TPM's nonces stay until it does one.
      const sealed = sealCommand(command, authorisations, () => randomBytes(NONCE_BYTES))
      let busy = false
      const answered = Effect.gen(function*(): Effect.gen.Return<Done, TpmError> {
        const way = yield* connected.pipe(Effect.mapError((error) => failureOf(error, command.name)))
        for (let pause = FIRST_PAUSE;; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
          busy = false
          const response = yield* way.exchange(sealed.bytes).pipe(Effect.mapError(() => lostAt(tcti, command.name)))
          const read = yield* Effect.fromResult(readResponse(command, authorisations.length, response)).pipe(
            Effect.mapError(unreadable)
          )
          if (read.answer === "done") return read
          if (!asksToTryAgain(read.code)) {
            return yield* Effect.fail(refusalOf({ command: command.name, code: Option.some(read.code) }))
          }
          busy = true
          yield* Effect.sleep(pause)
        }
      })
      const done = yield* Effect.timeoutOrElse(Effect.interruptible(answered), {
        duration: limit,
        orElse: () =>
          Effect.fail(
            busy
              ? new TpmBusy({
                command: command.name,
                message: `${command.name}: the TPM is busy and asks to be tried again, ` +
                  `for ${Duration.toSeconds(limit)} s by now.`
              })
              : silentFor(limit, command.name, "given up")
          )
      })
      const opened = yield* Effect.fromResult(sealed.open(done)).pipe(
        Effect.mapError(() => forgedAt(tcti, command.name))
      )
      return yield* Effect.fromResult(readParameters(command, opened)).pipe(Effect.mapError(unreadable))
    })
    return { send, resident: () => held?.resident ?? { session: undefined } }
  })

  return { line }
})
