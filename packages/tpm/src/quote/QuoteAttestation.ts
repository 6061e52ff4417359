import type { Result } from "effect"
import { type ByteReader, readWhole } from "../structures/ByteReader.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"
import { encodePcrSelection, type PcrSelection, readPcrSelection } from "./PcrSelection.ts"

/** TPM_GENERATED_VALUE: a restricted key signs nothing that begins so unless the TPM made it (TPM 2.0 part 2, 6.2). */
export const TPM_GENERATED = 0xff54_4347
/** TPM_ST_ATTEST_QUOTE (TPM 2.0 part 2, 6.9). */
export const ATTEST_QUOTE = 0x8018

/** TPMS_CLOCK_INFO (TPM 2.0 part 2, 10.11.1). */
export interface ClockInfo {
  /** Milliseconds that the TPM was powered, in all its life. */
  readonly clock: bigint
  /** TPM resets since the last TPM2_Clear: one more after every boot. */
  readonly resetCount: number
  /** Resumes since the last reset. */
  readonly restartCount: number
  /** False while `clock` may be lower than it was before a power cut. */
  readonly safe: boolean
}

/** TPMS_ATTEST of the type quote (TPM 2.0 part 2, 10.12.8 and 10.12.4). */
export interface QuoteAttestation {
  /** The Qualified Name of the key that signed (part 1, 26.5). */
  readonly qualifiedSigner: Uint8Array
  /** What the caller gave to be signed along: the challenge. */
  readonly extraData: Uint8Array
  readonly clockInfo: ClockInfo
  /** The vendor's. */
  readonly firmwareVersion: bigint
  readonly selection: PcrSelection
  readonly pcrDigest: Uint8Array
}

/** TPM2B_NAME with SHA-512. */
const MAX_NAME = 66
/** TPM2B_DATA: a TPMT_HA with SHA-512. */
const MAX_DATA = 66
const MAX_DIGEST = 64

const readQuote = (reader: ByteReader): QuoteAttestation => {
  const magic = reader.u32("magic")
  if (magic !== TPM_GENERATED) {
    return reader.fail("magic", `is 0x${magic.toString(16)}, not TPM_GENERATED: no TPM made these bytes`)
  }
  const type = reader.u16("type")
  if (type !== ATTEST_QUOTE) {
    return reader.fail("type", `is 0x${type.toString(16)}, expected a quote (0x${ATTEST_QUOTE.toString(16)})`)
  }
  const qualifiedSigner = reader.sized("qualifiedSigner", MAX_NAME)
  const extraData = reader.sized("extraData", MAX_DATA)
  const clock = reader.u64("clockInfo.clock")
  const resetCount = reader.u32("clockInfo.resetCount")
  const restartCount = reader.u32("clockInfo.restartCount")
  const safe = reader.u8("clockInfo.safe")
  if (safe > 1) return reader.fail("clockInfo.safe", `is ${safe}, expected 0 or 1`)
  return {
    qualifiedSigner,
    extraData,
    clockInfo: { clock, resetCount, restartCount, safe: safe === 1 },
    firmwareVersion: reader.u64("firmwareVersion"),
    selection: readPcrSelection(reader, "attested.pcrSelect"),
    pcrDigest: reader.sized("attested.pcrDigest", MAX_DIGEST)
  }
}

/** Reads a TPMS_ATTEST that fills `bytes` exactly, as TPM2B_ATTEST has it after its size and `tpm2_quote -m` writes it. */
export const decodeQuoteAttestation = (bytes: Uint8Array): Result.Result<QuoteAttestation, MalformedStructure> =>
  readWhole(bytes, "TPMS_ATTEST", readQuote)

/** The bytes of a TPMS_ATTEST. */
export const encodeQuoteAttestation = (quote: QuoteAttestation): Uint8Array =>
  new ByteWriter()
    .u32(TPM_GENERATED)
    .u16(ATTEST_QUOTE)
    .sized(quote.qualifiedSigner)
    .sized(quote.extraData)
    .u64(quote.clockInfo.clock)
    .u32(quote.clockInfo.resetCount)
    .u32(quote.clockInfo.restartCount)
    .u8(quote.clockInfo.safe ? 1 : 0)
    .u64(quote.firmwareVersion)
    .bytes(encodePcrSelection(quote.selection))
    .sized(quote.pcrDigest)
    .done()
