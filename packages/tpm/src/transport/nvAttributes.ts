/**
 * The attributes of an NV index that Patela defines: the owner reads and writes it, and a wrong try does not count
 * towards a lockout (TPMA_NV, TPM 2.0 part 2, 13.4). This is the one place to tie them to a policy.
 */
export const NV_ATTRIBUTES = "ownerread|ownerwrite|no_da"

/** The same as TPMA_NV bits: NO_DA is bit 25, OWNERREAD 17, OWNERWRITE 1. */
export const NV_BITS = 0x0202_0002
const WRITTEN = 0x2000_0000

/** Whether something was written into the index since it was defined. */
export const isWritten = (attributes: number): boolean => (attributes & WRITTEN) !== 0

/** Whether an index has the attributes that Patela gives to its own; one that has others is somebody else's. */
export const isPatelas = (attributes: number): boolean => (attributes & ~WRITTEN) === NV_BITS
