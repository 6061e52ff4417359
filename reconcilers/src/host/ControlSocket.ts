import { type Duration, Effect, Result, Schema } from "effect"
import * as fs from "node:fs/promises"
import * as net from "node:net"
import { ControlRefused, readReply } from "./ControlReply.ts"
import { causeText } from "./SystemError.ts"

/** Debian's instances have socket and cookie there (tor-service-defaults-torrc-instances), in a folder of their name. */
export const INSTANCES_RUNTIME = "/run/tor-instances"

/** There is no tor to speak to: no socket, no cookie, or one that tor does not know. Nothing was asked of it. */
export class ControlAway extends Schema.TaggedError<ControlAway>()("ControlAway", {
  message: Schema.String
}) {}

/** A reply that is longer is none of tor's to anything that is asked here. */
const LONGEST = 64 * 1024

/**
 * Gives one command to the tor whose socket and cookie are in `folder`, and the lines of its reply (control-spec, section
 * 2.3). A failure is ControlAway as long as tor has not let Patela in, and ControlRefused from then on: after that nobody
 * knows what tor made of a command that it did not answer. Each of the two steps may take `patience`.
 */
export const commandTor = Effect.fn("commandTor")(
  function*(folder: string, command: string, patience: Duration.Input) {
    const socket = yield* Effect.timeoutOrElse(authenticated(folder), {
      duration: patience,
      orElse: () => Effect.fail(new ControlAway({ message: "tor did not answer on its control socket" }))
    })
    return yield* Effect.timeoutOrElse(exchange(socket, command), {
      duration: patience,
      orElse: () => Effect.fail(new ControlRefused({ message: "tor did not answer" }))
    })
  },
  Effect.scoped
)

const authenticated = Effect.fnUntraced(function*(folder: string) {
  const cookie = yield* Effect.tryPromise({ try: () => fs.readFile(`${folder}/control.authcookie`), catch: away })
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => net.connect(`${folder}/control`).setEncoding("utf8").on("error", () => {})),
    (open) => Effect.sync(() => open.destroy())
  )
  // control-spec, section 3.5: the cookie in hex. It opens this relay's socket alone, and only root and tor can read it.
  yield* Effect.mapError(exchange(socket, `AUTHENTICATE ${cookie.toString("hex")}`), away)
  return socket
})

/** Sends a command, also before the socket is open, and waits for the reply. */
const exchange = (socket: net.Socket, command: string): Effect.Effect<ReadonlyArray<string>, ControlRefused> =>
  Effect.callback((resume) => {
    let received = ""
    const end = (outcome: Effect.Effect<ReadonlyArray<string>, ControlRefused>) => {
      leave()
      resume(outcome)
    }
    const refuse = (message: string) => end(Effect.fail(new ControlRefused({ message })))
    const hear = (chunk: string) => {
      received += chunk
      if (received.length > LONGEST) return refuse("tor wrote without end")
      const reply = readReply(received)
      if (Result.isFailure(reply)) return end(Effect.fail(reply.failure))
      if (reply.success.whole) end(Effect.succeed(reply.success.lines))
    }
    const fail = (cause: unknown) => refuse(causeText(cause))
    const close = () => refuse("tor closed its control socket")
    const leave = () => socket.off("data", hear).off("error", fail).off("close", close)
    socket.on("data", hear).on("error", fail).on("close", close)
    if (socket.destroyed) close()
    else socket.write(`${command}\r\n`)
    return Effect.sync(leave)
  })

const away = (cause: unknown): ControlAway => new ControlAway({ message: causeText(cause) })
