import { ByteWriter } from "../structures/ByteWriter.ts"
import type { Command } from "./Command.ts"
import { CommandCode } from "./CommandCode.ts"
import { entityOf } from "./Entity.ts"

/** TPM2_FlushContext (TPM 2.0 part 3, 28.4): an object or session goes. The handle is a parameter there. */
export const flushContext = (handle: number): Command<void> => ({
  name: "TPM2_FlushContext",
  code: CommandCode.flushContext,
  handles: [],
  authorised: 0,
  parameters: new ByteWriter().u32(handle).done(),
  answersHandle: false,
  read: () => undefined
})

/**
 * TPM2_ContextSave (TPM 2.0 part 3, 28.2). The TPMS_CONTEXT (part 2, 14.5) is encrypted by the TPM, and loads only in
 * this TPM until its next reset (part 1, 30.3).
 */
export const contextSave = (handle: number): Command<Uint8Array> => ({
  name: "TPM2_ContextSave",
  code: CommandCode.contextSave,
  handles: [entityOf(handle)],
  authorised: 0,
  parameters: new Uint8Array(),
  answersHandle: false,
  read: (reader) => reader.bytes("context", reader.remaining)
})

/** TPM2_ContextLoad (TPM 2.0 part 3, 28.3). Answers the new handle. */
export const contextLoad = (context: Uint8Array): Command<number> => ({
  name: "TPM2_ContextLoad",
  code: CommandCode.contextLoad,
  handles: [],
  authorised: 0,
  parameters: context,
  answersHandle: true,
  read: (_, handle) => handle
})
