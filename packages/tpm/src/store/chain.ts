import type { NvPublic } from "../transport/Tpm.ts"

export type SlotName = "a" | "b"

/**
 * The NV indexes that Patela keeps to itself, 0x01800820 to 0x018008FF. 0x01800000 to 0x01BFFFFF belong to the owner of
 * the machine (TCG Registry of Reserved TPM 2.0 Handles, 2.2.2); 820 recalls port 8020 and keeps away from the low
 * numbers that others take first.
 */
const FIRST = 0x0180_0820
const LAST = 0x0180_08ff

/** How many indexes one slot may have. */
export const LINKS_MAX = (LAST - FIRST + 1) / 2

/** The NV index of a link of a slot, from 0: slot A has the even ones of the range, slot B the odd ones. */
export const linkIndex = (slot: SlotName, link: number): number => FIRST + 2 * link + (slot === "a" ? 0 : 1)

/** Whether a handle is in Patela's range. */
export const inRange = (index: number): boolean => index >= FIRST && index <= LAST

/** The links of a slot that are defined, each with what the TPM says of its index. */
export const linksIn = (slot: SlotName, defined: ReadonlyArray<NvPublic>): ReadonlyMap<number, NvPublic> =>
  new Map(
    defined.filter(({ index }) => inRange(index) && index % 2 === linkIndex(slot, 0) % 2)
      .map((it) => [(it.index - linkIndex(slot, 0)) / 2, it])
  )

/** The sizes of the indexes that hold so many bytes: all as large as the TPM allows, the last as large as needed. */
export const linkSizes = (bytes: number, nvIndexMax: number): ReadonlyArray<number> =>
  Array.from(
    { length: Math.ceil(bytes / nvIndexMax) },
    (_, link) => Math.min(nvIndexMax, bytes - link * nvIndexMax)
  )
