import type { Result } from "effect"
import { readWhole } from "../structures/ByteReader.ts"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"
import { type Command, FRAME_BYTES, Tag } from "./Command.ts"

/** TPMS_AUTH_RESPONSE (TPM 2.0 part 2, 10.13.3). */
export interface Acknowledgement {
  readonly nonce: Uint8Array
  readonly attributes: number
  readonly hmac: Uint8Array
}

/** What a TPM answered (TPM 2.0 part 1, 18): a refusal with its code (part 2, 6.6), or what was asked for. */
export type Response =
  | { readonly answer: "refused"; readonly code: number }
  | {
    readonly answer: "done"
    readonly handle: number
    readonly parameters: Uint8Array
    readonly sessions: ReadonlyArray<Acknowledgement>
  }

/** Most bytes of a response, as the kernel's buffer has (TPM_BUFSIZE, drivers/char/tpm/tpm.h). */
export const RESPONSE_BYTES = 4096

/** Above the longest nonce or HMAC, that of SHA-512, in bytes. */
const MAX_DIGEST = 64

/** Whether a response is all there, by the size that it begins with. One that says too little or too much is. */
export const isWhole = (response: Uint8Array): boolean => {
  if (response.length < FRAME_BYTES) return false
  const size = new DataView(response.buffer, response.byteOffset).getUint32(2)
  return response.length >= Math.min(size, RESPONSE_BYTES)
}

/** Reads a response to a command that had so many authorisations. It must fill `bytes` exactly. */
export const readResponse = (
  command: Pick<Command<unknown>, "answersHandle">,
  authorisations: number,
  bytes: Uint8Array
): Result.Result<Response, MalformedStructure> =>
  readWhole(bytes, "response", (reader): Response => {
    const tag = reader.u16("tag")
    if (reader.u32("responseSize") !== bytes.length) return reader.fail("responseSize", "is not that of the response")
    const code = reader.u32("responseCode")
    // A TPM 1.2 answers with a tag of its own (TPM 2.0 part 2, 6.9, TPM_ST_RSP_COMMAND).
    if (code !== 0) {
      return tag === Tag.noSessions
        ? { answer: "refused", code }
        : reader.fail("tag", "is not that of a TPM 2.0 refusal")
    }
    if (tag !== (authorisations > 0 ? Tag.sessions : Tag.noSessions)) {
      return reader.fail("tag", "is not that of the command")
    }
    const handle = command.answersHandle ? reader.u32("handle") : 0
    if (authorisations === 0) {
      return { answer: "done", handle, parameters: reader.bytes("parameters", reader.remaining), sessions: [] }
    }
    const parameters = reader.bytes("parameters", reader.u32("parameterSize"))
    const sessions = Array.from({ length: authorisations }, () => ({
      nonce: reader.sized("nonce", MAX_DIGEST),
      attributes: reader.u8("sessionAttributes"),
      hmac: reader.sized("hmac", MAX_DIGEST)
    }))
    return { answer: "done", handle, parameters, sessions }
  })

/** Reads the parameters of an answer as the command says, which must fill them exactly. */
export const readParameters = <A>(
  command: Pick<Command<A>, "name" | "read">,
  done: { readonly handle: number; readonly parameters: Uint8Array }
): Result.Result<A, MalformedStructure> =>
  readWhole(done.parameters, command.name, (reader) => command.read(reader, done.handle))
