import type { ConfigEvent } from "@patela/domain/api/ConfigEvent"
import type { NodeReport } from "@patela/domain/api/PrivateApi"
import type { NodeConfig, ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { Context, Duration, Effect, Layer, Ref, Schedule, Stream } from "effect"
import { Authentication } from "./Authentication.ts"
import { configEvents } from "./configEvents.ts"
import { ServerClient } from "./ServerClient.ts"
import { inTime, type SessionError } from "./SessionError.ts"
import { rememberingLast } from "./Unchanged.ts"

/** How long to ask again while the server is away or the node not enabled; 0 asks once. */
export interface Patience {
  readonly total: Duration.Duration
}

/** Between two tries, as the protocol says. */
const EVERY = Duration.seconds(3)

/** How often a configuration that changed while it was read is read again. */
const READINGS = 3

/** A configuration, and the two bodies that it was put together from. */
interface Read {
  readonly node: ResolvedNode
  readonly relays: ReadonlyArray<ResolvedRelay>
  readonly config: NodeConfig
}

/** The node's session with the server: configuration, events, report. It authenticates where there is no valid token. */
export class Session extends Context.Service<Session, {
  /** The node's configuration now; the very same object as before where nothing of it changed. */
  readonly config: (patience: Patience) => Effect.Effect<NodeConfig, SessionError>
  /**
   * The generation of the configuration now and after each change, until the server ends the stream, as it does when the
   * token's 15 minutes are over, or the connection fails. Run it again to go on.
   */
  readonly events: Stream.Stream<ConfigEvent, SessionError>
  readonly report: (report: NodeReport) => Effect.Effect<void, SessionError>
}>()("@patela/agent/session/Session") {
  static readonly layer = Layer.effect(
    Session,
    Effect.gen(function*() {
      const client = yield* ServerClient
      const { withToken } = yield* Authentication

      const askNode = yield* rememberingLast(client.private.node)
      const askRelays = yield* rememberingLast(client.private.relays)
      const last = yield* Ref.make<Read | undefined>(undefined)

      /**
       * Both halves, of one time. A change may come between the two answers: the node's half, which has the generation, is
       * read first and again, so that relays are never older than the generation that they are taken for.
       */
      const read = Effect.gen(function*() {
        let node = yield* askNode
        let relays = yield* askRelays
        for (let reading = 1; relays.changed && reading < READINGS; reading++) {
          const again = yield* askNode
          if (!again.changed) break
          node = again
          relays = yield* askRelays
        }
        const before = yield* Ref.get(last)
        if (before?.node === node.body && before.relays === relays.body) return before.config
        const config = { relays: relays.body, ...node.body } satisfies NodeConfig
        yield* Ref.set(last, { node: node.body, relays: relays.body, config })
        return config
      })

      const config = Effect.fn("Session.config")(function*(patience: Patience) {
        let said = ""
        const once = inTime(withToken(read)).pipe(
          Effect.tapError((error) => {
            const again = error._tag !== "ServerRefused" && Duration.toMillis(patience.total) > 0
            if (!again || said === error.message) return Effect.void
            said = error.message
            return Effect.logInfo(`${error.message}; trying again every ${Duration.format(EVERY)}`)
          })
        )
        return yield* Effect.retry(once, {
          schedule: Schedule.spaced(EVERY).pipe(Schedule.upTo({ duration: patience.total })),
          while: (error) => error._tag !== "ServerRefused"
        })
      })

      const events = Stream.unwrap(Effect.map(inTime(withToken(client.private.events())), configEvents))

      const report = Effect.fn("Session.report")((payload: NodeReport) =>
        Effect.asVoid(inTime(withToken(client.private.report({ payload }))))
      )

      return Session.of({ config, events, report })
    })
  ).pipe(Layer.provide(Authentication.layer))
}
