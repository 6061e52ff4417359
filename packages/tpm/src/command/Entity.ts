import { ByteWriter } from "../structures/ByteWriter.ts"

/** What a command is about: a handle, and the Name that authorisations are computed over (TPM 2.0 part 1, 16). */
export interface Entity {
  readonly handle: number
  readonly name: Uint8Array
}

/** PCRs, sessions and permanent handles: the Name is the handle itself (TPM 2.0 part 1, 16, table 3). */
export const entityOf = (handle: number): Entity => ({ handle, name: new ByteWriter().u32(handle).done() })

/** Permanent handles, TPM_RH (TPM 2.0 part 2, 7.4). */
export const Permanent = {
  owner: 0x4000_0001,
  null: 0x4000_0007,
  password: 0x4000_0009,
  endorsement: 0x4000_000b
} as const

export const owner: Entity = entityOf(Permanent.owner)
export const endorsement: Entity = entityOf(Permanent.endorsement)

/** The first handle of a range, TPM_HT (TPM 2.0 part 2, 7.2), as TPM2_GetCapability is asked for it. */
export const HandleRange = {
  nvIndex: 0x0100_0000,
  loadedSession: 0x0200_0000,
  transient: 0x8000_0000,
  persistent: 0x8100_0000
} as const
