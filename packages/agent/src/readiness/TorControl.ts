import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Duration, Effect, Layer, Result } from "effect"
import * as fs from "node:fs/promises"
import * as net from "node:net"
import { ControlRefused, infoOf, readReply } from "./ControlReply.ts"

/** Debian's instances have socket and cookie there (tor-service-defaults-torrc-instances). */
export const INSTANCES_RUNTIME = "/run/tor-instances"

/** tor answers in a few milliseconds, also while it bootstraps. */
const PATIENCE = Duration.seconds(3)

/** A reply that is longer is none of tor's to the questions asked here. */
const LONGEST = 64 * 1024

/** Asks a running relay, by its control socket. It changes nothing. */
export class TorControl extends Context.Service<TorControl, {
  /** `GETINFO` of these keys (control-spec, section 3.9); keys that tor does not know fail the whole question. */
  readonly info: (
    relay: RelayName,
    keys: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyMap<string, string>, ControlRefused>
}>()("@patela/agent/readiness/TorControl") {
  /** Sockets of instances are in `root`. */
  static readonly layerAt = (root: string) =>
    Layer.succeed(
      TorControl,
      TorControl.of({
        info: Effect.fn("TorControl.info")((relay, keys) =>
          ask(`${root}/${relay}`, keys).pipe(
            Effect.timeoutOrElse({
              duration: PATIENCE,
              orElse: () => Effect.fail(new ControlRefused({ message: `no answer in ${Duration.format(PATIENCE)}` }))
            })
          )
        )
      })
    )

  static readonly layer = TorControl.layerAt(INSTANCES_RUNTIME)
}

const ask = Effect.fnUntraced(function*(folder: string, keys: ReadonlyArray<string>) {
  const cookie = yield* Effect.tryPromise({ try: () => fs.readFile(`${folder}/control.authcookie`), catch: unanswered })
  const lines = yield* exchange(`${folder}/control`, [
    // control-spec, section 3.5: the cookie in hex. It opens this relay's socket alone, and only root and tor can read it.
    `AUTHENTICATE ${cookie.toString("hex")}`,
    `GETINFO ${keys.join(" ")}`
  ])
  return infoOf(lines)
})

/** Sends the commands one by one, each after the reply to the one before; gives the lines of the last reply. */
const exchange = (
  path: string,
  commands: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>, ControlRefused> =>
  Effect.callback((resume) => {
    const socket = net.connect(path)
    const end = (outcome: Effect.Effect<ReadonlyArray<string>, ControlRefused>) => {
      socket.destroy()
      resume(outcome)
    }
    let received = ""
    let next = 0
    const send = () => socket.write(`${commands[next++] ?? ""}\r\n`)
    socket.setEncoding("utf8")
    socket.on("connect", send)
    socket.on("error", (cause) => end(Effect.fail(unanswered(cause))))
    socket.on("close", () => end(Effect.fail(new ControlRefused({ message: "tor closed its control socket" }))))
    socket.on("data", (chunk: string) => {
      received += chunk
      if (received.length > LONGEST) return end(Effect.fail(new ControlRefused({ message: "tor wrote without end" })))
      const reply = readReply(received)
      if (Result.isFailure(reply)) return end(Effect.fail(reply.failure))
      if (!reply.success.whole) return
      if (next === commands.length) return end(Effect.succeed(reply.success.lines))
      received = received.slice(reply.success.length)
      send()
    })
    return Effect.sync(() => socket.destroy())
  })

const unanswered = (cause: unknown): ControlRefused =>
  new ControlRefused({ message: cause instanceof Error ? cause.message : String(cause) })
