import { Duration, Effect, Schema } from "effect"

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

/** What every error of a request has. */
export interface Refusal {
  readonly _tag: string
  readonly message: string
  readonly detail?: string | undefined
}

/** What a failed request means for who asks. Pure. */
export const classify = (error: Refusal): Effect.Effect<never, SessionError> => {
  switch (error._tag) {
    case "ServerAway":
      return Effect.fail(new ServerAway({ message: error.message }))
    case "NodeNotEnabled":
    case "TierTooLow":
    case "BootNotAllowed":
      return Effect.fail(
        new WaitingForApproval({ message: error.detail ?? "the server has not enabled this node yet" })
      )
    case "TokenRefused":
      // Of a token that was just made: the node was revoked meanwhile, or servers' clocks differ. The next may be good.
      return Effect.fail(
        new ServerAway({ message: `the server took back the session: ${error.detail ?? error.message}` })
      )
    case "WaitingListFull":
    case "TooManyRequests":
      return Effect.fail(
        new ServerAway({ message: `the server takes no more requests for now: ${error.detail ?? error.message}` })
      )
    case "HttpClientError":
    case "SchemaError":
      return Effect.fail(new ServerAway({ message: `no answer from the server: ${error.message}` }))
    default:
      return Effect.fail(new ServerRefused({ message: `the server refused: ${error.detail ?? error.message}` }))
  }
}

/** A request that takes longer counts as unanswered. */
const REQUEST_TIMEOUT = Duration.seconds(30)

/** A request, or several, that end in time or count as unanswered. */
export const inTime = <A, E, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E | ServerAway, R> =>
  Effect.timeoutOrElse(request, {
    duration: REQUEST_TIMEOUT,
    orElse: () =>
      Effect.fail(
        new ServerAway({
          message: `the server did not answer in ${Duration.format(REQUEST_TIMEOUT)}; is it overloaded, or the ` +
            "network cut?"
        })
      )
  })
