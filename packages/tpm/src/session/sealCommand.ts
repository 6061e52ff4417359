import { Result, Schema } from "effect"
import { type Command, encodeCommand, type PlainAuthorisation, SessionAttribute } from "../command/Command.ts"
import type { Response } from "../command/response.ts"
import {
  commandDigest,
  decryptFirst,
  encryptFirst,
  type ProtectedSession,
  responseDigest,
  sameHmac,
  sessionHmac
} from "./ProtectedSession.ts"

/** A protected session for one command. What is asked (`decrypt`, by the TPM) or answered (`encrypt`) goes encrypted. */
export interface ProtectedAuthorisation {
  readonly protectedBy: ProtectedSession
  readonly decrypt: boolean
  readonly encrypt: boolean
}

/**
 * How a command is authorised: as it stands, or by a protected session. One that encrypts is the only protected one: with
 * two, the first one's HMAC would be over the nonces of the other as well (TPM 2.0 part 1, 19.6.5).
 */
export type Authorisation = PlainAuthorisation | ProtectedAuthorisation

/** An answer that the TPM with the session's key did not give. */
export class AnswerForged extends Schema.TaggedError<AnswerForged>()("AnswerForged", {}) {}

type Done = Extract<Response, { readonly answer: "done" }>

/** The bytes of a command, and what its answer must pass. */
export interface SealedCommand {
  readonly bytes: Uint8Array
  /** Checks the HMACs of the answer and decrypts it (TPM 2.0 part 1, 19.6.6). Takes over the nonces of the TPM. */
  readonly open: (done: Done) => Result.Result<Done, AnswerForged>
}

const attributesOf = ({ decrypt, encrypt }: ProtectedAuthorisation): number =>
  SessionAttribute.continueSession | (decrypt ? SessionAttribute.decrypt : 0) | (encrypt ? SessionAttribute.encrypt : 0)

/**
 * Encrypts and authorises a command (TPM 2.0 part 1, 19.6.5 and 21). `fresh` gives a new nonce for every protected
 * session: two commands with the same nonces would be encrypted with the same key.
 */
export const sealCommand = (
  command: Command<unknown>,
  authorisations: ReadonlyArray<Authorisation>,
  fresh: () => Uint8Array
): SealedCommand => {
  const sessions = authorisations.map((authorisation) =>
    "protectedBy" in authorisation
      ? { ...authorisation, nonceCaller: fresh(), nonceBefore: authorisation.protectedBy.nonceTpm }
      : authorisation
  )
  const ours = sessions.flatMap((session, at) => "protectedBy" in session ? [{ ...session, at }] : [])
  if (ours.length > 1 && ours.some(({ decrypt, encrypt }) => decrypt || encrypt)) {
    throw new RangeError("a session that encrypts must be the only protected one")
  }
  const [first] = ours
  const parameters = first?.decrypt === true
    ? encryptFirst(first.protectedBy.key, { newer: first.nonceCaller, older: first.nonceBefore }, command.parameters)
    : command.parameters
  const over = commandDigest(command, parameters)
  const written = sessions.map((session): PlainAuthorisation => {
    if (!("protectedBy" in session)) return session
    const attributes = attributesOf(session)
    const nonces = { newer: session.nonceCaller, older: session.nonceBefore }
    return {
      session: session.protectedBy.handle,
      nonce: session.nonceCaller,
      attributes,
      hmac: sessionHmac(session.protectedBy.key, over, nonces, attributes)
    }
  })

  const open = (done: Done): Result.Result<Done, AnswerForged> => {
    const answered = responseDigest(command.code, done.parameters)
    for (const [at, session] of sessions.entries()) {
      const said = done.sessions[at]
      if (!("protectedBy" in session)) continue
      if (said === undefined) return Result.fail(new AnswerForged())
      const nonces = { newer: said.nonce, older: session.nonceCaller }
      const expected = sessionHmac(session.protectedBy.key, answered, nonces, said.attributes)
      if (!sameHmac(expected, said.hmac)) return Result.fail(new AnswerForged())
      session.protectedBy.nonceTpm = said.nonce
    }
    const said = done.sessions[first?.at ?? 0]
    if (first?.encrypt !== true || said === undefined) return Result.succeed(done)
    const nonces = { newer: said.nonce, older: first.nonceCaller }
    return Result.succeed({ ...done, parameters: decryptFirst(first.protectedBy.key, nonces, done.parameters) })
  }

  return { bytes: encodeCommand({ ...command, parameters }, written), open }
}
