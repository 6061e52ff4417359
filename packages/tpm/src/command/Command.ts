import type { Duration } from "effect"
import type { ByteReader } from "../structures/ByteReader.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { type Entity, Permanent } from "./Entity.ts"

/** One command of TPM 2.0 part 3 with its values: what goes out, and how its answer is read. */
export interface Command<A> {
  /** As in part 3, such as TPM2_NV_Read. */
  readonly name: string
  /** TPM_CC. */
  readonly code: number
  readonly handles: ReadonlyArray<Entity>
  /** How many of the handles, from the first, need an authorisation. */
  readonly authorised: number
  readonly parameters: Uint8Array
  /** Whether a handle stands before the parameters of the answer. */
  readonly answersHandle: boolean
  /** How long the TPM may take where it is more than for other commands. */
  readonly limit?: Duration.Duration
  /** Reads the parameters of the answer. `handle` is 0 where none is answered. */
  readonly read: (parameters: ByteReader, handle: number) => A
}

/** TPMS_AUTH_COMMAND (TPM 2.0 part 2, 10.13.2). */
export interface PlainAuthorisation {
  readonly session: number
  readonly nonce: Uint8Array
  /** TPMA_SESSION (part 2, 8.4). */
  readonly attributes: number
  readonly hmac: Uint8Array
}

/** TPMA_SESSION (TPM 2.0 part 2, 8.4). */
export const SessionAttribute = { continueSession: 0x01, decrypt: 0x20, encrypt: 0x40 } as const

const NOTHING = new Uint8Array()

/** The empty password (TPM 2.0 part 1, 19.4). */
export const emptyPassword: PlainAuthorisation = {
  session: Permanent.password,
  nonce: NOTHING,
  attributes: 0,
  hmac: NOTHING
}

/**
 * A policy session, whose policy is already fulfilled and asks for no HMAC (TPM 2.0 part 1, 19.7). The TPM ends it after
 * the command.
 */
export const fulfilledPolicy = (session: number): PlainAuthorisation => ({
  session,
  nonce: NOTHING,
  attributes: 0,
  hmac: NOTHING
})

/** TPM_ST_NO_SESSIONS and TPM_ST_SESSIONS (TPM 2.0 part 2, 6.9). */
export const Tag = { noSessions: 0x8001, sessions: 0x8002 } as const

/** Bytes of a header: tag, size, and command or response code (TPM 2.0 part 1, 18.2). */
export const FRAME_BYTES = 10

/** The bytes of a command: header, handles, authorisation area, parameters (TPM 2.0 part 1, 18). */
export const encodeCommand = (
  command: Pick<Command<unknown>, "code" | "handles" | "parameters">,
  authorisations: ReadonlyArray<PlainAuthorisation>
): Uint8Array => {
  const rest = new ByteWriter()
  for (const { handle } of command.handles) rest.u32(handle)
  if (authorisations.length > 0) {
    const area = new ByteWriter()
    for (const { attributes, hmac, nonce, session } of authorisations) {
      area.u32(session).sized(nonce).u8(attributes).sized(hmac)
    }
    const bytes = area.done()
    rest.u32(bytes.length).bytes(bytes)
  }
  const body = rest.bytes(command.parameters).done()
  return new ByteWriter().u16(authorisations.length > 0 ? Tag.sessions : Tag.noSessions)
    .u32(FRAME_BYTES + body.length).u32(command.code).bytes(body).done()
}
