import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Effect, Result, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { activateCredential } from "../command/activateCredential.ts"
import { emptyPassword, fulfilledPolicy } from "../command/Command.ts"
import { contextLoad, contextSave, flushContext } from "../command/context.ts"
import { endorsement } from "../command/Entity.ts"
import { type PcrSelection, quote } from "../command/pcr.ts"
import { policyOr, policySecret, SessionKind, startAuthSession } from "../command/policySession.ts"
import { createPrimary, type LoadedKey } from "../command/primaryKey.ts"
import type { Credential } from "../credential/makeCredential.ts"
import { policyBranchesSha384 } from "../identity/endorsementPolicy.ts"
import { attestationKeyPublic, endorsementKeyPublic } from "../identity/publicTemplate.ts"
import type { ProtectedSession } from "../session/ProtectedSession.ts"
import { Algorithm } from "../structures/Algorithm.ts"
import { fromHex } from "../structures/Hex.ts"
import type { TpmtPublic } from "../structures/TpmtPublic.ts"
import type { Line } from "./Exchange.ts"
import { codeIs, unknownSession } from "./refusalOf.ts"
import { ResponseCode } from "./ResponseCode.ts"
import { type MakingRoom, makingRoomFor } from "./roomInTpm.ts"
import { saltedSession } from "./saltedSession.ts"
import type { TpmError } from "./TpmError.ts"

/** A key that was made before, to be loaded instead of made again. */
interface SavedKey extends Omit<LoadedKey, "handle"> {
  readonly context: Uint8Array
}

/** What makes an endorsement key of each kind. One object each, for a saved key is known by it. */
const endorsementTemplates: Readonly<Record<EndorsementKeyKind, TpmtPublic>> = {
  "ecc-p256": endorsementKeyPublic("ecc-p256"),
  "rsa-2048": endorsementKeyPublic("rsa-2048"),
  "ecc-p384": endorsementKeyPublic("ecc-p384")
}

/** The endorsement key that is in use, and which it is. */
interface LoadedEndorsementKey extends LoadedKey {
  readonly kind: EndorsementKeyKind
}

/**
 * The two keys and what they are used for, on a line. Both are primary keys. Making one takes a TPM long, so it is kept
 * as a saved context, in memory, which only this TPM loads and only until its next reset: when it does not, the key is
 * made anew, so nothing kept can be stale. Whatever is loaded is flushed with its scope. `kindOn` says which endorsement
 * key is in use.
 */
export const loadedKeys = (
  kindOn: (line: Line) => Effect.Effect<EndorsementKeyKind, TpmError>,
  hasResourceManager: boolean
) => {
  const saved = new Map<TpmtPublic, SavedKey>()

  const roomFor = (line: Line, ours: ReadonlySet<number>): MakingRoom => (make) => {
    const { session } = line.resident()
    const kept = session === undefined ? ours : new Set([...ours, session.handle])
    return hasResourceManager ? make : makingRoomFor(line, kept)(make)
  }

  /** An object or session of ours, flushed with the scope. `make` cannot be interrupted, or its handle would be lost. */
  const held = <A extends { readonly handle: number }>(
    line: Line,
    make: Effect.Effect<A, TpmError>,
    ours: Set<number>
  ): Effect.Effect<A, TpmError, Scope.Scope> =>
    Effect.acquireRelease(
      roomFor(line, ours)(make).pipe(
        Effect.tap(({ handle }) => Effect.sync(() => ours.add(handle)))
      ),
      ({ handle }) => ours.delete(handle) ? Effect.ignore(line.send(flushContext(handle))) : Effect.void
    )

  const made = (line: Line, template: TpmtPublic): Effect.Effect<LoadedKey, TpmError> =>
    Effect.gen(function*() {
      const key = yield* line.send(createPrimary(template), [emptyPassword])
      // Not to have the context costs time only.
      const context = yield* Effect.option(line.send(contextSave(key.handle)))
      if (context._tag === "Some") {
        saved.set(template, { public: key.public, name: key.name, context: context.value })
      }
      return key
    })

  const loaded = (line: Line, template: TpmtPublic): Effect.Effect<LoadedKey, TpmError> =>
    Effect.suspend(() => {
      const before = saved.get(template)
      if (before === undefined) return made(line, template)
      return line.send(contextLoad(before.context)).pipe(
        Effect.map((handle) => ({ handle, public: before.public, name: before.name })),
        Effect.catchTag("TpmRefused", (error) => {
          if (codeIs(error, ResponseCode.objectMemory)) return Effect.fail(error)
          saved.delete(template)
          return made(line, template)
        })
      )
    })

  const endorsementKey = (line: Line, ours: Set<number>): Effect.Effect<LoadedEndorsementKey, TpmError, Scope.Scope> =>
    Effect.flatMap(
      kindOn(line),
      (kind) => Effect.map(held(line, loaded(line, endorsementTemplates[kind]), ours), (key) => ({ ...key, kind }))
    )
  const attestationKey = (line: Line, ours: Set<number>) => held(line, loaded(line, attestationKeyPublic), ours)

  /** A session in which the policy of the endorsement key is fulfilled: PolicySecret, and for the high range PolicyOR. */
  const fulfilled = Effect.fnUntraced(function*(line: Line, kind: EndorsementKeyKind, ours: Set<number>) {
    const hash = kind === "ecc-p384" ? Algorithm.sha384 : Algorithm.sha256
    const start = Effect.suspend(() =>
      line.send(startAuthSession({ kind: SessionKind.policy, nonceCaller: randomBytes(32), hash }))
    )
    const { handle } = yield* held(line, start, ours)
    yield* line.send(policySecret(endorsement, handle), [emptyPassword])
    if (kind === "ecc-p384") {
      yield* line.send(policyOr(handle, policyBranchesSha384.map((it) => Result.getOrThrow(fromHex(it, "policy")))))
    }
    return handle
  })

  /** A session that only the TPM with this endorsement key can have the key of. */
  const salted = Effect.fnUntraced(function*(line: Line, key: LoadedKey, ours: ReadonlySet<number>) {
    const request = yield* saltedSession(key)
    const started = yield* roomFor(line, ours)(line.send(request.start))
    return request.sessionOf(started)
  })

  /**
   * Does something in a protected session: the one that the connection has, or a new one, which it then has. One that
   * fails is not used again; one that the TPM does not know any more is made anew, for another program may have flushed it.
   */
  const inSession = <A>(
    line: Line,
    use: (session: ProtectedSession, room: MakingRoom) => Effect.Effect<A, TpmError>,
    given?: LoadedKey
  ): Effect.Effect<A, TpmError> => {
    const attempt: Effect.Effect<A, TpmError> = Effect.gen(function*() {
      const ours = new Set(given === undefined ? [] : [given.handle])
      const resident = line.resident()
      const before = resident.session
      const session = before ?? (yield* Effect.scoped(
        Effect.flatMap(
          given === undefined ? endorsementKey(line, ours) : Effect.succeed(given),
          (key) => salted(line, key, ours)
        )
      ))
      line.resident().session = session
      return yield* use(session, roomFor(line, ours)).pipe(
        Effect.catch((error) => {
          resident.session = undefined
          const end = Effect.ignore(line.send(flushContext(session.handle)))
          return Effect.andThen(end, before !== undefined && unknownSession(error) ? attempt : Effect.fail(error))
        })
      )
    })
    return Effect.uninterruptible(attempt)
  }

  const activate = (line: Line, credential: Credential) =>
    Effect.gen(function*() {
      const ours = new Set<number>()
      const attestation = yield* attestationKey(line, ours)
      const key = yield* endorsementKey(line, ours)
      return yield* inSession(line, (protectedBy) =>
        Effect.gen(function*() {
          ours.add(protectedBy.handle)
          const session = yield* fulfilled(line, key.kind, ours)
          const opened = yield* line.send(
            activateCredential(attestation, key, credential),
            [{ protectedBy, decrypt: false, encrypt: true }, fulfilledPolicy(session)]
          )
          // The TPM ends a session that did its work.
          ours.delete(session)
          return opened
        }).pipe(Effect.scoped), key)
    }).pipe(Effect.scoped, Effect.uninterruptible)

  return {
    endorsementKey: (line: Line) => Effect.scoped(endorsementKey(line, new Set())),
    attestationKey: (line: Line) => Effect.scoped(attestationKey(line, new Set())),
    activate,
    inSession,
    quote: (line: Line, nonce: Uint8Array, selection: PcrSelection) =>
      attestationKey(line, new Set()).pipe(
        Effect.flatMap((key) => line.send(quote(key, nonce, selection), [emptyPassword])),
        Effect.scoped,
        Effect.uninterruptible
      )
  }
}
