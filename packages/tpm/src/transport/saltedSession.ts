import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { SessionKind, startAuthSession, type StartedSession } from "../command/policySession.ts"
import type { LoadedKey } from "../command/primaryKey.ts"
import { secretFor } from "../credential/secretFor.ts"
import { NONCE_BYTES, type ProtectedSession, sessionKey } from "../session/ProtectedSession.ts"
import { Algorithm } from "../structures/Algorithm.ts"
import { decodeTpm2bPublic } from "../structures/TpmtPublic.ts"
import { TpmAnswerUnreadable } from "./TpmError.ts"

const unusable = (): TpmAnswerUnreadable =>
  new TpmAnswerUnreadable({
    command: "TPM2_CreatePrimary",
    message: "TPM2_CreatePrimary was answered with an endorsement key that is no public key of its template."
  })

/**
 * How to start an HMAC session whose salt is encrypted to a key (TPM 2.0 part 1, 19.6.13): a listener on the bus does not
 * learn the session's key, which only the TPM with the private part can compute.
 */
export const saltedSession = Effect.fnUntraced(function*(key: LoadedKey) {
  const area = yield* Effect.fromResult(decodeTpm2bPublic(key.public)).pipe(Effect.mapError(unusable))
  const { encrypted, secret } = yield* Effect.try({ try: () => secretFor(area, "SECRET"), catch: unusable })
  const nonceCaller = randomBytes(NONCE_BYTES)
  return {
    start: startAuthSession({
      kind: SessionKind.hmac,
      nonceCaller,
      hash: Algorithm.sha256,
      salt: { key, encrypted },
      encrypts: true
    }),
    sessionOf: ({ handle, nonceTpm }: StartedSession): ProtectedSession => ({
      handle,
      key: sessionKey(secret, nonceTpm, nonceCaller),
      nonceTpm
    })
  }
})
