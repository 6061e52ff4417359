import { Algorithm } from "../structures/Algorithm.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { encodeTpmtPublic, type TpmtPublic } from "../structures/TpmtPublic.ts"
import type { Command } from "./Command.ts"
import { CommandCode } from "./CommandCode.ts"
import { type Entity, entityOf, owner } from "./Entity.ts"
import { encodePcrSelection, type PcrSelection } from "./pcr.ts"

const MAX_DIGEST = 64
const MAX_NAME = 66

const onSession = (name: string, code: number, session: number, parameters: Uint8Array): Command<void> => ({
  name,
  code,
  handles: [entityOf(session)],
  authorised: 0,
  parameters,
  answersHandle: false,
  read: () => undefined
})

/** TPM2_PolicyPCR (TPM 2.0 part 3, 23.7): the policy is of these PCRs as they are now. */
export const policyPcr = (session: number, selection: PcrSelection): Command<void> =>
  onSession(
    "TPM2_PolicyPCR",
    CommandCode.policyPcr,
    session,
    new ByteWriter().u16(0).bytes(encodePcrSelection(selection)).done()
  )

/** TPM2_PolicyGetDigest (TPM 2.0 part 3, 23.19): what the session's policy came to by now. */
export const policyGetDigest = (session: number): Command<Uint8Array> => ({
  ...onSession("TPM2_PolicyGetDigest", CommandCode.policyGetDigest, session, new Uint8Array()),
  read: (reader) => reader.sized("policyDigest", MAX_DIGEST)
})

/** TPM2_LoadExternal (TPM 2.0 part 3, 12.3) of a public key, under the owner's hierarchy so that tickets are good. */
export const loadExternal = (area: TpmtPublic): Command<Entity> => ({
  name: "TPM2_LoadExternal",
  code: CommandCode.loadExternal,
  handles: [],
  authorised: 0,
  parameters: new ByteWriter().u16(0).sized(encodeTpmtPublic(area)).u32(owner.handle).done(),
  answersHandle: true,
  read: (reader, handle) => ({ handle, name: reader.sized("name", MAX_NAME) })
})

/** TPM2_VerifySignature (TPM 2.0 part 3, 20.1). Answers a TPMT_TK_VERIFIED (part 2, 10.7.4). */
export const verifySignature = (key: Entity, digest: Uint8Array, signature: Uint8Array): Command<Uint8Array> => ({
  name: "TPM2_VerifySignature",
  code: CommandCode.verifySignature,
  handles: [key],
  authorised: 0,
  parameters: new ByteWriter().sized(digest).bytes(signature).done(),
  answersHandle: false,
  read: (reader) => reader.bytes("validation", reader.remaining)
})

/**
 * TPM2_PolicyAuthorize (TPM 2.0 part 3, 23.16): the policy that the session has, which the key has signed with the
 * reference, becomes that of the key. `ticket` is what TPM2_VerifySignature gave.
 */
export const policyAuthorize = (
  session: number,
  authorised: {
    readonly policy: Uint8Array
    readonly reference: Uint8Array
    readonly keyName: Uint8Array
    readonly ticket: Uint8Array
  }
): Command<void> =>
  onSession(
    "TPM2_PolicyAuthorize",
    CommandCode.policyAuthorize,
    session,
    new ByteWriter().sized(authorised.policy).sized(authorised.reference).sized(authorised.keyName)
      .bytes(authorised.ticket).done()
  )

/** TPMT_SIGNATURE of ECDSA with SHA-256 (TPM 2.0 part 2, 11.3.4), r and s big-endian. */
export const encodeEcdsaSignature = (r: Uint8Array, s: Uint8Array): Uint8Array =>
  new ByteWriter().u16(Algorithm.ecdsa).u16(Algorithm.sha256).sized(r).sized(s).done()
