import { createHash } from "node:crypto"
import { ByteWriter } from "../structures/ByteWriter.ts"

/**
 * What the TPM signs along with the PCRs (the qualifying data of TPM2_Quote, 32 bytes), so that neither the challenge nor
 * the event log can be exchanged afterwards: SHA-256("patela boot evidence v1" || 00 || u16 length || challenge || flag ||
 * SHA-256(event log)). The flag is 1 with a log; without one it is 0 and ends the text. Agent and server both make it.
 */
export const quoteNonce = (challenge: Uint8Array, eventLog: Uint8Array | undefined): Uint8Array => {
  const writer = new ByteWriter().bytes(new TextEncoder().encode("patela boot evidence v1\0")).sized(challenge)
  if (eventLog === undefined) writer.u8(0)
  else writer.u8(1).bytes(createHash("sha256").update(eventLog).digest())
  return new Uint8Array(createHash("sha256").update(writer.done()).digest())
}
