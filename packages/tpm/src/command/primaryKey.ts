import { Duration } from "effect"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { encodeTpmtPublic, type TpmtPublic } from "../structures/TpmtPublic.ts"
import type { Command } from "./Command.ts"
import { CommandCode } from "./CommandCode.ts"
import { endorsement, type Entity } from "./Entity.ts"

/** A key that is loaded in the TPM. */
export interface LoadedKey extends Entity {
  /** TPM2B_PUBLIC (TPM 2.0 part 2, 12.2.5). */
  readonly public: Uint8Array
}

const MAX_PUBLIC = 1024
const MAX_NAME = 66
/** Above TPM2B_CREATION_DATA, in bytes. */
const MAX_CREATION = 512
const MAX_DIGEST = 64

/**
 * TPM2_CreatePrimary (TPM 2.0 part 3, 24.1) in the endorsement hierarchy, without a password or data of the caller: the
 * same template makes the same key as long as the hierarchy has its seed (part 1, 14.4).
 */
export const createPrimary = (template: TpmtPublic): Command<LoadedKey> => ({
  name: "TPM2_CreatePrimary",
  code: CommandCode.createPrimary,
  handles: [endorsement],
  authorised: 1,
  parameters: new ByteWriter()
    // inSensitive: an empty password and no data.
    .sized(new ByteWriter().u16(0).u16(0).done())
    .sized(encodeTpmtPublic(template))
    // outsideInfo and creationPCR
    .u16(0).u32(0).done(),
  answersHandle: true,
  // A slow TPM looks for the primes of an RSA key for many seconds.
  limit: Duration.seconds(60),
  read: (reader, handle) => {
    const area = reader.sized("outPublic", MAX_PUBLIC)
    reader.sized("creationData", MAX_CREATION)
    reader.sized("creationHash", MAX_DIGEST)
    // TPMT_TK_CREATION (part 2, 10.7.3)
    reader.u16("creationTicket.tag")
    reader.u32("creationTicket.hierarchy")
    reader.sized("creationTicket.digest", MAX_DIGEST)
    return { handle, public: new ByteWriter().sized(area).done(), name: reader.sized("name", MAX_NAME) }
  }
})

/** TPM2_EvictControl (TPM 2.0 part 3, 28.5) by the owner: takes a persistent object away. */
export const evictControl = (owner: Entity, object: Entity): Command<void> => ({
  name: "TPM2_EvictControl",
  code: CommandCode.evictControl,
  handles: [owner, object],
  authorised: 1,
  parameters: new ByteWriter().u32(object.handle).done(),
  answersHandle: false,
  read: () => undefined
})
