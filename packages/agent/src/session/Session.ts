import type { NodeReport } from "@patela/domain/api/PrivateApi"
import type { TokenRefused } from "@patela/domain/api/Problems"
import type { AuthRequest } from "@patela/domain/api/PublicApi"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Context, Duration, Effect, Layer, Option, Ref, Schedule, Schema } from "effect"
import { readHardware } from "./HardwareReader.ts"
import { KeptToken, TokenKeeper } from "./KeptToken.ts"
import { openToken } from "./openToken.ts"
import { ServerClient, SessionToken } from "./ServerClient.ts"

/** The server could not be reached, or what came was not an answer of a Patela server. Asking again may help. */
export class ServerAway extends Schema.TaggedError<ServerAway>()("ServerAway", { message: Schema.String }) {}

/** The server knows this node and waits for a person to enable it. Asking again helps once that is done. */
export class WaitingForApproval extends Schema.TaggedError<WaitingForApproval>()("WaitingForApproval", {
  message: Schema.String
}) {}

/** The server said no, and will say so again. */
export class ServerRefused extends Schema.TaggedError<ServerRefused>()("ServerRefused", { message: Schema.String }) {}

/** The TPM did not prove who this machine is. Asking again may help: it may be busy, or not be there yet. */
export class TpmNotReady extends Schema.TaggedError<TpmNotReady>()("TpmNotReady", { message: Schema.String }) {}

export type SessionError = ServerAway | WaitingForApproval | ServerRefused | TpmNotReady

/** How long to ask again while the server is away or the node not enabled; 0 asks once. */
export interface Patience {
  readonly total: Duration.Duration
}

/** Between two tries, as the protocol says. */
const EVERY = Duration.seconds(3)

/** A request that takes longer counts as unanswered. */
const REQUEST_TIMEOUT = Duration.seconds(30)

/** The node's session with the server: authentication by the TPM, hardware, configuration, report. */
export class Session extends Context.Service<Session, {
  /** The node's configuration now. Authenticates where there is no valid token, and says what hardware there is. */
  readonly config: (patience: Patience) => Effect.Effect<NodeConfig, SessionError>
  readonly report: (report: NodeReport) => Effect.Effect<void, SessionError>
}>()("@patela/agent/session/Session") {
  static readonly layer = Layer.effect(
    Session,
    Effect.gen(function*() {
      const client = yield* ServerClient
      const token = yield* SessionToken
      const tpm = yield* Tpm
      const keeper = yield* TokenKeeper
      // A token of an earlier run spares the TPM the work while it is good; the server says when it is not.
      const kept = yield* (yield* KeptToken).read
      if (Option.isSome(kept)) yield* Ref.set(token, kept.value)
      const authenticated = yield* Ref.make(Option.isSome(kept))

      const known = yield* Ref.make<AuthRequest | undefined>(undefined)
      const identity = Effect.gen(function*() {
        const before = yield* Ref.get(known)
        if (before !== undefined) return before
        const endorsement = yield* tpm.endorsementKey
        const attestation = yield* tpm.attestationKey
        const request: AuthRequest = {
          ek_public: hex(endorsement),
          ak_public: hex(attestation.public),
          ak_name: hex(attestation.name)
        }
        yield* Ref.set(known, request)
        return request
      }).pipe(Effect.mapError(({ message }) => new TpmNotReady({ message })))

      const authenticate = Effect.fn("Session.authenticate")(function*() {
        const payload = yield* identity
        const challenge = yield* client.public.auth({ payload }).pipe(Effect.catch(classify))
        const key = yield* tpm.activateCredential({ blob: bytes(challenge.blob), secret: bytes(challenge.secret) })
          .pipe(Effect.mapError(({ message }) => new TpmNotReady({ message })))
        const opened = yield* openToken(challenge, payload, key).pipe(
          Effect.mapError(({ message }) => new ServerRefused({ message }))
        )
        yield* Ref.set(token, opened)
        yield* keeper.keep(opened)
        yield* client.private.specs({ payload: yield* readHardware }).pipe(Effect.catch(classify))
        yield* Ref.set(authenticated, true)
      })

      /** Runs a private request with a token, and once more with a new one where the old was refused. */
      const withToken = <A, E extends Refusal>(
        request: Effect.Effect<A, E | TokenRefused>
      ): Effect.Effect<A, SessionError> =>
        Effect.gen(function*() {
          if (yield* Ref.get(authenticated)) {
            const first = yield* Effect.result(request)
            if (first._tag === "Success") return first.success
            if (!isTokenRefused(first.failure)) return yield* classify(first.failure)
            yield* Ref.set(authenticated, false)
          }
          yield* authenticate()
          return yield* request.pipe(Effect.catch(classify))
        })

      const config = Effect.fn("Session.config")(function*(patience: Patience) {
        let said = ""
        const once = withToken(Effect.all([client.private.relays(), client.private.node()])).pipe(
          Effect.timeoutOrElse({ duration: REQUEST_TIMEOUT, orElse: () => Effect.fail(unanswered) }),
          Effect.tapError((error) => {
            const again = error._tag !== "ServerRefused" && Duration.toMillis(patience.total) > 0
            if (!again || said === error.message) return Effect.void
            said = error.message
            return Effect.logInfo(`${error.message}; trying again every ${Duration.format(EVERY)}`)
          })
        )
        const [relays, node] = yield* Effect.retry(once, {
          schedule: Schedule.spaced(EVERY).pipe(Schedule.upTo({ duration: patience.total })),
          while: (error) => error._tag !== "ServerRefused"
        })
        return { relays, ...node } satisfies NodeConfig
      })

      const report = Effect.fn("Session.report")((payload: NodeReport) =>
        withToken(client.private.report({ payload })).pipe(
          Effect.timeoutOrElse({ duration: REQUEST_TIMEOUT, orElse: () => Effect.fail(unanswered) }),
          Effect.asVoid
        )
      )

      return Session.of({ config, report })
    })
  )
}

const unanswered = new ServerAway({
  message: `the server did not answer in ${Duration.format(REQUEST_TIMEOUT)}; is it overloaded, or the network cut?`
})

/** What every error of a request has. */
interface Refusal {
  readonly _tag: string
  readonly message: string
  readonly detail?: string | undefined
}

const isTokenRefused = (error: Refusal): boolean => error._tag === "TokenRefused"

/** What a failed request means for who asks. Pure. */
const classify = (error: Refusal): Effect.Effect<never, SessionError> => {
  switch (error._tag) {
    case "NodeNotEnabled":
      return Effect.fail(
        new WaitingForApproval({ message: error.detail ?? "the server has not enabled this node yet" })
      )
    case "HttpClientError":
    case "SchemaError":
    case "WaitingListFull":
      return Effect.fail(new ServerAway({ message: `no answer from the server: ${error.message}` }))
    default:
      return Effect.fail(new ServerRefused({ message: `the server refused: ${error.detail ?? error.message}` }))
  }
}

const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex")
const bytes = (text: string): Uint8Array => Buffer.from(text, "hex")
