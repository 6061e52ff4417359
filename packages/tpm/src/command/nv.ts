import { Algorithm } from "../structures/Algorithm.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import type { Command } from "./Command.ts"
import { CommandCode } from "./CommandCode.ts"
import { type Entity, entityOf, owner } from "./Entity.ts"

/** TPMS_NV_PUBLIC (TPM 2.0 part 2, 13.5) and the Name of the index. */
export interface NvArea {
  readonly index: number
  /** TPMA_NV (part 2, 13.4). */
  readonly attributes: number
  readonly authPolicy: Uint8Array
  /** Bytes. */
  readonly size: number
  readonly name: Uint8Array
}

/** Above any TPMS_NV_PUBLIC. */
const MAX_NV_PUBLIC = 128
/** Above the longest Name, that of SHA-512. */
const MAX_NAME = 66
const MAX_POLICY = 64

/** TPM2_NV_ReadPublic (TPM 2.0 part 3, 31.6). */
export const nvReadPublic = (index: number): Command<NvArea> => ({
  name: "TPM2_NV_ReadPublic",
  code: CommandCode.nvReadPublic,
  handles: [entityOf(index)],
  authorised: 0,
  parameters: new Uint8Array(),
  answersHandle: false,
  read: (reader) => {
    const area = reader.nested("nvPublic", MAX_NV_PUBLIC, (inner) => {
      const found = inner.u32("nvIndex")
      if (found !== index) return inner.fail("nvIndex", `is 0x${found.toString(16)}, not the one that was asked for`)
      inner.u16("nameAlg")
      const attributes = inner.u32("attributes")
      const authPolicy = inner.sized("authPolicy", MAX_POLICY)
      return { index, attributes, authPolicy, size: inner.u16("dataSize") }
    })
    return { ...area, name: reader.sized("nvName", MAX_NAME) }
  }
})

/** TPM2_NV_DefineSpace (TPM 2.0 part 3, 31.3) by the owner, with an empty password and a Name by SHA-256. */
export const nvDefineSpace = (
  area: Pick<NvArea, "index" | "size" | "attributes" | "authPolicy">
): Command<void> => ({
  name: "TPM2_NV_DefineSpace",
  code: CommandCode.nvDefineSpace,
  handles: [owner],
  authorised: 1,
  parameters: new ByteWriter().sized(new Uint8Array()).sized(
    new ByteWriter().u32(area.index).u16(Algorithm.sha256).u32(area.attributes).sized(area.authPolicy).u16(area.size)
      .done()
  ).done(),
  answersHandle: false,
  read: () => undefined
})

/** TPM2_NV_UndefineSpace (TPM 2.0 part 3, 31.4) by the owner. */
export const nvUndefineSpace = (index: Entity): Command<void> => ({
  name: "TPM2_NV_UndefineSpace",
  code: CommandCode.nvUndefineSpace,
  handles: [owner, index],
  authorised: 1,
  parameters: new Uint8Array(),
  answersHandle: false,
  read: () => undefined
})

/** TPM2_NV_Read (TPM 2.0 part 3, 31.13), at most NV_BUFFER_MAX bytes. An answer of another size is malformed. */
export const nvReadCommand = (by: Entity, index: Entity, offset: number, size: number): Command<Uint8Array> => ({
  name: "TPM2_NV_Read",
  code: CommandCode.nvRead,
  handles: [by, index],
  authorised: 1,
  parameters: new ByteWriter().u16(size).u16(offset).done(),
  answersHandle: false,
  read: (reader) => {
    const data = reader.sized("data", size)
    return data.length === size ? data : reader.fail("data", `is ${data.length} bytes long, expected ${size}`)
  }
})

/** TPM2_NV_Write (TPM 2.0 part 3, 31.7), at most NV_BUFFER_MAX bytes. */
export const nvWriteCommand = (by: Entity, index: Entity, offset: number, data: Uint8Array): Command<void> => ({
  name: "TPM2_NV_Write",
  code: CommandCode.nvWrite,
  handles: [by, index],
  authorised: 1,
  parameters: new ByteWriter().sized(data).u16(offset).done(),
  answersHandle: false,
  read: () => undefined
})
