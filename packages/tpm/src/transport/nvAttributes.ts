/**
 * The attributes of an NV index that Patela defines where no image policy is told: the owner reads and writes it, and a
 * wrong try does not count towards a lockout (TPMA_NV, TPM 2.0 part 2, 13.4).
 */
export const NV_ATTRIBUTES = "ownerread|ownerwrite|no_da"

/** The same as TPMA_NV bits: NO_DA is bit 25, OWNERREAD 17, OWNERWRITE 1. */
export const NV_BITS = 0x0202_0002
/** Those of an index that opens by its policy only: NO_DA, POLICYREAD (bit 19), POLICYWRITE (3). */
export const BOUND_NV_BITS = 0x0208_0008
const WRITTEN = 0x2000_0000

/** Whether something was written into the index since it was defined. */
export const isWritten = (attributes: number): boolean => (attributes & WRITTEN) !== 0

/** Whether an index opens by its policy only. */
export const isBound = (attributes: number): boolean => (attributes & ~WRITTEN) === BOUND_NV_BITS

/** Whether an index is one of Patela's that the owner reads and writes. */
export const isOwners = (attributes: number): boolean => (attributes & ~WRITTEN) === NV_BITS

/** Whether an index has the attributes that Patela gives to its own; one that has others is somebody else's. */
export const isPatelas = (attributes: number): boolean => isOwners(attributes) || isBound(attributes)
