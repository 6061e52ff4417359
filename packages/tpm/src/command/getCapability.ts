import { ByteWriter } from "../structures/ByteWriter.ts"
import type { Command } from "./Command.ts"
import { CommandCode } from "./CommandCode.ts"

/** TPM_CAP (TPM 2.0 part 2, 6.12). */
const Capability = { handles: 1, properties: 6 } as const

/** TPM_PT (TPM 2.0 part 2, 6.13). */
export const Property = {
  manufacturer: 0x105,
  nvIndexMax: 0x117,
  nvBufferMax: 0x12c,
  /** TPMA_PERMANENT (part 2, 8.6). */
  permanent: 0x200
} as const

/** Bit 9 of TPMA_PERMANENT: the TPM is in lockout. */
export const IN_LOCKOUT = 0x200

/** Most handles in one answer, MAX_CAP_HANDLES of a buffer of 1024 bytes (TPM 2.0 part 2, annex B.3). */
const MOST_HANDLES = 254

const getCapability = <A>(
  capability: number,
  property: number,
  count: number,
  read: Command<A>["read"]
): Command<A> => ({
  name: "TPM2_GetCapability",
  code: CommandCode.getCapability,
  handles: [],
  authorised: 0,
  parameters: new ByteWriter().u32(capability).u32(property).u32(count).done(),
  answersHandle: false,
  read
})

/** TPM2_GetCapability (TPM 2.0 part 3, 30.2) of the handles from `first` on that are of its range, in rising order. */
export const getHandles = (
  first: number
): Command<{ readonly handles: ReadonlyArray<number>; readonly more: boolean }> =>
  getCapability(Capability.handles, first, MOST_HANDLES, (reader) => {
    const more = reader.u8("moreData") !== 0
    if (reader.u32("capability") !== Capability.handles) return reader.fail("capability", "is not TPM_CAP_HANDLES")
    const count = reader.u32("count")
    if (count * 4 !== reader.remaining) return reader.fail("count", "is not that of the handles that follow")
    const handles = Array.from({ length: count }, () => reader.u32("handle"))
    // One that is told to go on where it was would ask for ever.
    return { handles, more: more && (handles.at(-1) ?? 0) >= first && handles.length > 0 }
  })

/** The same command for one property. A TPM that has no such property gives the next one it has, which is refused. */
export const getProperty = (property: number): Command<number> =>
  getCapability(Capability.properties, property, 1, (reader) => {
    reader.u8("moreData")
    if (reader.u32("capability") !== Capability.properties) {
      return reader.fail("capability", "is not TPM_CAP_TPM_PROPERTIES")
    }
    if (reader.u32("count") !== 1 || reader.u32("property") !== property) {
      return reader.fail("property", `has no 0x${property.toString(16)}`)
    }
    return reader.u32("value")
  })
