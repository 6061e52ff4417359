import { codeIs } from "./refusalOf.ts"
import { ResponseCode } from "./ResponseCode.ts"
import { NvIndexAbsent, NvIndexUnwritten, NvSpaceExhausted, type TpmError } from "./TpmError.ts"

export const handleText = (value: number): string => `0x${value.toString(16).padStart(8, "0")}`

const absent = (index: number) =>
  new NvIndexAbsent({ index, message: `NV index ${handleText(index)} is not defined in this TPM.` })

/** What a refusal means for a command on an index that may be absent. */
export const whenAbsent = (index: number) => (error: TpmError): TpmError | NvIndexAbsent =>
  codeIs(error, ResponseCode.handle) ? absent(index) : error

/** What a refusal means for a read of an index. */
export const whenRead = (index: number) => (error: TpmError): TpmError | NvIndexAbsent | NvIndexUnwritten =>
  codeIs(error, ResponseCode.nvUninitialized)
    ? new NvIndexUnwritten({ index, message: `NV index ${handleText(index)} is defined and was never written.` })
    : whenAbsent(index)(error)

/** What a refusal means for a definition. */
export const whenDefined = (index: number, size: number) => (error: TpmError): TpmError | NvSpaceExhausted =>
  codeIs(error, ResponseCode.nvSpace) || codeIs(error, ResponseCode.size)
    ? new NvSpaceExhausted({
      index,
      size,
      message: `The TPM has no room for an NV index of ${size} bytes. ` +
        "Undefine indexes that are not needed (tpm2_nvreadpublic lists them), or run fewer relays on this node."
    })
    : error
