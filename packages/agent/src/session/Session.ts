import type { ConfigEvent } from "@patela/domain/api/ConfigEvent"
import type { NodeReport } from "@patela/domain/api/PrivateApi"
import type { FamilyId } from "@patela/domain/family/FamilyId"
import type { FamilySecret } from "@patela/domain/family/FamilySecret"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Context, Duration, Effect, Layer, Schedule, Stream } from "effect"
import { Authentication } from "./Authentication.ts"
import { configEvents } from "./configEvents.ts"
import { configReader } from "./configReader.ts"
import { openFamilyKeys } from "./openFamilyKeys.ts"
import { ServerClient } from "./ServerClient.ts"
import { inTime, type SessionError } from "./SessionError.ts"

/** How long to ask again while the server is away or the node not enabled; 0 asks once. */
export interface Patience {
  readonly total: Duration.Duration
}

/** Between two tries, as the protocol says. */
const EVERY = Duration.seconds(3)

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
  /** Keys of the family that the configuration names: they come sealed to this TPM, and are opened by it. */
  readonly familyKeys: (
    ids: ReadonlyArray<FamilyId>
  ) => Effect.Effect<ReadonlyMap<FamilyId, FamilySecret>, SessionError>
}>()("@patela/agent/session/Session") {
  static readonly layer = Layer.effect(
    Session,
    Effect.gen(function*() {
      const client = yield* ServerClient
      const tpm = yield* Tpm
      const { withToken } = yield* Authentication

      const read = yield* configReader(client.private)

      const config = Effect.fn("Session.config")(function*(patience: Patience) {
        let said = ""
        // The schedule alone would try once more, also where it is to last for no time.
        const patient = Duration.toMillis(patience.total) > 0
        const again = (error: SessionError) => patient && error._tag !== "ServerRefused"
        const once = inTime(withToken(read)).pipe(
          Effect.tapError((error) => {
            if (!again(error) || said === error.message) return Effect.void
            said = error.message
            return Effect.logInfo(`${error.message}; trying again every ${Duration.format(EVERY)}`)
          })
        )
        return yield* Effect.retry(once, {
          schedule: Schedule.spaced(EVERY).pipe(Schedule.upTo({ duration: patience.total })),
          while: again
        })
      })

      const events = Stream.unwrap(Effect.map(inTime(withToken(client.private.events())), configEvents))

      const report = Effect.fn("Session.report")((payload: NodeReport) =>
        Effect.asVoid(inTime(withToken(client.private.report({ payload }))))
      )

      const familyKeys = Effect.fn("Session.familyKeys")(function*(ids: ReadonlyArray<FamilyId>) {
        const sealed = yield* inTime(withToken(client.private.familyKeys({ payload: { ids } })))
        return yield* openFamilyKeys(tpm, ids, sealed)
      })

      return Session.of({ config, events, report, familyKeys })
    })
  ).pipe(Layer.provide(Authentication.layer))
}
