import type { OtherEndorsementKey, TokenRefused } from "@patela/domain/api/Problems"
import type { ProofChallenge } from "@patela/domain/api/Proof"
import type { AuthRequest } from "@patela/domain/api/PublicApi"
import type { BootSelection } from "@patela/domain/attestation/BootEvidence"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Clock, Context, Effect, Layer, Option, type Redacted, Ref, Semaphore } from "effect"
import { HttpClientError } from "effect/http"
import { bootEvidence } from "./bootEvidence.ts"
import { endorsementCertificates } from "./endorsementCertificates.ts"
import { EventLogFile } from "./EventLogFile.ts"
import { readHardware } from "./HardwareReader.ts"
import { KeptToken, TokenKeeper } from "./KeptToken.ts"
import { openToken } from "./openToken.ts"
import { proveKeys } from "./proveKeys.ts"
import { ServerClient, SessionToken } from "./ServerClient.ts"
import { classify, type Refusal, ServerRefused, type SessionError, TpmNotReady } from "./SessionError.ts"

/** A token is renewed so long before its end, in seconds: a busy TPM and a slow network have their time in it. */
const BEFORE_THE_END = 120

/** The longest that a server's Retry-After is heeded, in seconds. */
const LONGEST_WAIT = 60

/** A proof that failed is tried again after a minute, in nanoseconds, and not each time that the server is asked. */
const PROVE_EVERY = 60_000_000_000n

/** Authentication by the TPM, when a request needs it. */
export class Authentication extends Context.Service<Authentication, {
  /** Runs a private request with a token, and once more with a new one where the old was refused. */
  readonly withToken: <A, E extends Refusal>(
    request: Effect.Effect<A, E | TokenRefused>
  ) => Effect.Effect<A, SessionError>
}>()("@patela/agent/session/Authentication") {
  static readonly layer = Layer.effect(
    Authentication,
    Effect.gen(function*() {
      const client = yield* ServerClient
      const token = yield* SessionToken
      const tpm = yield* Tpm
      const eventLog = yield* EventLogFile
      const keeper = yield* TokenKeeper
      // A token of an earlier run spares the TPM the work while it is good; the server says when it is not.
      const kept = yield* (yield* KeptToken).read
      if (Option.isSome(kept)) yield* Ref.set(token, kept.value)
      /** The token that was refused last, or that there is none yet. */
      const bad = yield* Ref.make(Option.isSome(kept) ? undefined : yield* Ref.get(token))
      /** Until when the server is not asked for a challenge, because it said so, and its answer. */
      const toldToWait = yield* Ref.make<{ readonly until: bigint; readonly answer: Refusal } | undefined>(undefined)
      const provedAt = yield* Ref.make<bigint | undefined>(undefined)
      /** When the token is to be renewed, by the monotonic clock: whatever the time of day is set to meanwhile. */
      const renewAt = yield* Ref.make<bigint | undefined>(undefined)
      // Two requests whose token ended would both ask the TPM, which does one thing at a time.
      const alone = yield* Semaphore.make(1)

      const known = yield* Ref.make<AuthRequest | undefined>(undefined)
      const identity = Effect.gen(function*() {
        const before = yield* Ref.get(known)
        if (before !== undefined) return before
        const endorsement = yield* tpm.endorsementKey
        const attestation = yield* tpm.attestationKey
        const certificates = yield* endorsementCertificates(hex(endorsement)).pipe(Effect.provideService(Tpm, tpm))
        const request: AuthRequest = {
          ek_public: hex(endorsement),
          ak_public: hex(attestation.public),
          ak_name: hex(attestation.name),
          ...certificates.length === 0 ? {} : { ek_certificates: certificates.map(hex) }
        }
        yield* Ref.set(known, request)
        return request
      }).pipe(Effect.mapError(({ message }) => new TpmNotReady({ message })))

      /** Tells the person who looks at the waiting list that it is this TPM. The server asks until it was told. */
      const prove = Effect.fn("Authentication.prove")(
        function*(keys: AuthRequest, challenge: ProofChallenge) {
          const at = yield* Clock.monotonicTimeNanos
          const before = yield* Ref.getAndUpdate(
            provedAt,
            (last) => last !== undefined && at - last < PROVE_EVERY ? last : at
          )
          if (before !== undefined && at - before < PROVE_EVERY) return
          const key = yield* tpm.activateCredential({ blob: bytes(challenge.blob), secret: bytes(challenge.secret) })
          const { ek_public, ak_public, ak_name } = keys
          const payload = {
            ek_public,
            ak_public,
            ak_name,
            challenge: challenge.challenge,
            mac: proveKeys(challenge, keys, key)
          }
          yield* client.public.proof({ payload })
        },
        Effect.catch(({ message }) =>
          Effect.logWarning(`the server has no proof of this machine's keys yet: ${message}`)
        )
      )

      /** Why the server has no proof of what was booted; it says itself whether it goes on without. */
      const showBoot = Effect.fn("Authentication.showBoot")(
        function*(challenge: string, selection: BootSelection) {
          const payload = yield* bootEvidence(tpm, bytes(challenge), selection).pipe(
            Effect.provideService(EventLogFile, eventLog)
          )
          yield* onLiveSocket(client.private.evidence({ payload }))
          return undefined
        },
        Effect.catch((error) => {
          const said = "detail" in error && typeof error.detail === "string" ? error.detail : error.message
          const fault = `the server has no proof of what this machine booted: ${said}`
          return Effect.as(Effect.logWarning(fault), fault)
        })
      )

      /** A challenge, and the keys that it is for. */
      const ask = Effect.fnUntraced(function*(asked: bigint) {
        const payload = yield* identity
        const challenge = yield* onLiveSocket(client.public.auth({ payload })).pipe(
          Effect.tapError((error) => {
            if (error._tag === "NodeNotEnabled" && error.proof !== undefined) return prove(payload, error.proof)
            if (error._tag !== "TooManyRequests" && error._tag !== "WaitingListFull") return Effect.void
            const seconds = Math.min(Math.max(0, error.retry_after), LONGEST_WAIT)
            return Ref.set(toldToWait, { until: asked + BigInt(seconds) * 1_000_000_000n, answer: error })
          }),
          Effect.catch((error): Effect.Effect<never, OtherEndorsementKey | SessionError> =>
            error._tag === "OtherEndorsementKey" ? Effect.fail(error) : classify(error)
          )
        )
        return { payload, challenge }
      })

      /** The server knows this machine by another of its endorsement keys, which it goes on with. */
      const useKey = Effect.fnUntraced(function*({ detail, endorsement_key }: OtherEndorsementKey) {
        yield* Effect.logInfo(detail ?? `this machine goes on with its ${endorsement_key} endorsement key`)
        yield* tpm.useEndorsementKey(endorsement_key)
        yield* Ref.set(known, undefined)
      })

      const authenticate = Effect.fn("Authentication.authenticate")(function*() {
        const asked = yield* Clock.monotonicTimeNanos
        const quiet = yield* Ref.get(toldToWait)
        if (quiet !== undefined && asked < quiet.until) return yield* classify(quiet.answer)
        const { challenge, payload } = yield* ask(asked).pipe(
          Effect.catchTag("OtherEndorsementKey", (other) => Effect.andThen(useKey(other), ask(asked))),
          Effect.catchTag("OtherEndorsementKey", classify)
        )
        const key = yield* tpm.activateCredential({ blob: bytes(challenge.blob), secret: bytes(challenge.secret) })
          .pipe(Effect.mapError(({ message }) => new TpmNotReady({ message })))
        const opened = yield* openToken(challenge, payload, key).pipe(
          Effect.mapError(({ message }) => new ServerRefused({ message }))
        )
        yield* Ref.set(token, opened)
        yield* keeper.keep(opened)
        const fault = challenge.boot === undefined ? undefined : yield* showBoot(challenge.challenge, challenge.boot)
        yield* client.private.specs({ payload: yield* readHardware }).pipe(
          Effect.catch((error) =>
            // The server refuses the session because the boot was not shown: why it was not is what helps.
            error._tag === "TokenRefused" && fault !== undefined
              ? Effect.fail(new TpmNotReady({ message: fault }))
              : classify(error)
          )
        )
        yield* Ref.set(renewAt, asked + BigInt(Math.max(0, challenge.token_life - BEFORE_THE_END)) * 1_000_000_000n)
        yield* Ref.set(bad, undefined)
      })

      const nearItsEnd = Effect.gen(function*() {
        const time = yield* Ref.get(renewAt)
        return time !== undefined && (yield* Clock.monotonicTimeNanos) >= time
      })

      /** Ahead of its end; where that fails the token may still be good, and the server says when it is not. */
      const renewEarly = Effect.gen(function*() {
        if (!(yield* nearItsEnd)) return
        yield* Ref.set(renewAt, undefined)
        yield* Effect.ignore(authenticate())
      }).pipe(alone.withPermit)

      /** A token that is not `used`, which was refused: another request may have asked for it by now. */
      const renew = Effect.fnUntraced(function*(used: Redacted.Redacted<string>) {
        if ((yield* Ref.get(bad)) === undefined && (yield* Ref.get(token)) !== used) return
        yield* Ref.set(bad, used)
        yield* authenticate()
      }, alone.withPermit)

      const withToken = <A, E extends Refusal>(
        request: Effect.Effect<A, E | TokenRefused>
      ): Effect.Effect<A, SessionError> =>
        Effect.gen(function*() {
          if (yield* nearItsEnd) yield* renewEarly
          const used = yield* Ref.get(token)
          if ((yield* Ref.get(bad)) === undefined) {
            const first = yield* Effect.result(onLiveSocket(request))
            if (first._tag === "Success") return first.success
            if (first.failure._tag !== "TokenRefused") return yield* classify(first.failure)
          }
          yield* renew(used)
          return yield* onLiveSocket(request).pipe(Effect.catch(classify))
        })

      return Authentication.of({ withToken })
    })
  )
}

/**
 * A server that was restarted leaves kept sockets dead, and it is the next request that finds out: it goes once more, on
 * a new one. All our requests may: asking twice is as asking once.
 */
const onLiveSocket = <A, E, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(request, {
    times: 1,
    while: (error) => HttpClientError.isHttpClientError(error) && error.reason._tag === "TransportError"
  })

const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex")
const bytes = (text: string): Uint8Array => Buffer.from(text, "hex")
