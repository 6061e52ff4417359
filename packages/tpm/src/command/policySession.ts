import { Algorithm, type NameAlgorithm } from "../structures/Algorithm.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import type { Command } from "./Command.ts"
import { CommandCode } from "./CommandCode.ts"
import { type Entity, entityOf, Permanent } from "./Entity.ts"

/** TPM_SE (TPM 2.0 part 2, 6.11). */
export const SessionKind = { hmac: 0x00, policy: 0x01 } as const

const MAX_DIGEST = 64

/** A session as the TPM started it. */
export interface StartedSession {
  readonly handle: number
  readonly nonceTpm: Uint8Array
}

/** What a session is to be. */
export interface SessionRequest {
  readonly kind: typeof SessionKind[keyof typeof SessionKind]
  /** At least 16 bytes, fresh (TPM 2.0 part 1, 19.6.4). */
  readonly nonceCaller: Uint8Array
  readonly hash: NameAlgorithm
  /** The key that the salt is encrypted to, and the salt (TPM 2.0 part 1, 19.6.13): none for a session without. */
  readonly salt?: { readonly key: Entity; readonly encrypted: Uint8Array }
  /** Whether parameters may be encrypted, by AES-128 in CFB mode (TPM 2.0 part 1, 21.3). */
  readonly encrypts?: boolean
}

/** TPM2_StartAuthSession (TPM 2.0 part 3, 11.1), bound to nothing. */
export const startAuthSession = (
  { encrypts = false, hash, kind, nonceCaller, salt }: SessionRequest
): Command<StartedSession> => {
  const writer = new ByteWriter().sized(nonceCaller).sized(salt?.encrypted ?? new Uint8Array()).u8(kind)
  if (encrypts) writer.u16(Algorithm.aes).u16(128).u16(Algorithm.cfb)
  else writer.u16(Algorithm.null)
  return {
    name: "TPM2_StartAuthSession",
    code: CommandCode.startAuthSession,
    handles: [salt?.key ?? entityOf(Permanent.null), entityOf(Permanent.null)],
    authorised: 0,
    parameters: writer.u16(hash).done(),
    answersHandle: true,
    read: (reader, handle) => ({ handle, nonceTpm: reader.sized("nonceTPM", MAX_DIGEST) })
  }
}

/** TPM2_PolicySecret (TPM 2.0 part 3, 23.4) of an entity's password, good for this session, without a reference. */
export const policySecret = (entity: Entity, session: number): Command<void> => ({
  name: "TPM2_PolicySecret",
  code: CommandCode.policySecret,
  handles: [entity, entityOf(session)],
  authorised: 1,
  // nonceTPM, cpHashA, policyRef, expiration
  parameters: new ByteWriter().u16(0).u16(0).u16(0).u32(0).done(),
  answersHandle: false,
  read: (reader) => {
    reader.sized("timeout", MAX_DIGEST)
    reader.u16("policyTicket.tag")
    reader.u32("policyTicket.hierarchy")
    reader.sized("policyTicket.digest", MAX_DIGEST)
  }
})

/** TPM2_PolicyOR (TPM 2.0 part 3, 23.6): what was fulfilled is one of these, two to eight digests. */
export const policyOr = (session: number, digests: ReadonlyArray<Uint8Array>): Command<void> => {
  const writer = new ByteWriter().u32(digests.length)
  for (const digest of digests) writer.sized(digest)
  return {
    name: "TPM2_PolicyOR",
    code: CommandCode.policyOr,
    handles: [entityOf(session)],
    authorised: 0,
    parameters: writer.done(),
    answersHandle: false,
    read: () => undefined
  }
}
