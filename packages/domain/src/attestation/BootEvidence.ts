import { Schema } from "effect"
import { hexBytes } from "./HexBytes.ts"

/** Banks of PCRs by the names that tpm2-tools give them. */
export const PcrBank = Schema.Literals(["sha1", "sha256", "sha384", "sha512"])
export type PcrBank = typeof PcrBank.Type

const PcrNumber = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 23 })))

/** Some of the PCRs that every TPM of a PC has (TCG PC Client Platform TPM Profile, "Platform Configuration Registers"). */
export const PcrNumbers = Schema.Array(PcrNumber).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(24)))

/**
 * The banks whose PCRs may stand for a boot: those whose hash is not broken, and that TPMs of PCs have (TCG PC Client
 * Platform TPM Profile, "PCR Requirements").
 */
export const BOOT_BANKS = ["sha256", "sha384"] as const
export const BootBank = Schema.Literals(BOOT_BANKS)
export type BootBank = typeof BootBank.Type

/** What the server asks a quote of: PCRs of one bank, numbers ascending. */
export const BootSelection = Schema.Struct({
  bank: BootBank,
  pcrs: PcrNumbers
})
export type BootSelection = typeof BootSelection.Type

/** The value of one PCR, as long as the hash of its bank. */
export const PcrValue = Schema.Struct({
  bank: PcrBank,
  pcr: PcrNumber,
  value: hexBytes(64)
})
export type PcrValue = typeof PcrValue.Type

/** Most bytes of an event log that travels: firmware keeps 64 KiB at least, and what is seen is below twice that. */
export const MAX_EVENT_LOG = 512 * 1024

/**
 * What a node sends to show what it booted. `quote` is a TPMS_ATTEST (TPM 2.0 part 2, 10.12.8) and `signature` a
 * TPMT_SIGNATURE (11.3.4); `pcr_values` are those of the PCRs that were asked for, each once. `event_log` is the
 * crypto-agile log (TCG PC Client Platform Firmware Profile, "Event Logging"), null where the firmware keeps none.
 */
export const BootEvidence = Schema.Struct({
  quote: hexBytes(1024),
  signature: hexBytes(1024),
  pcr_values: Schema.Array(PcrValue).pipe(Schema.check(Schema.isMaxLength(4 * 24))),
  event_log: Schema.NullOr(hexBytes(MAX_EVENT_LOG))
})
export type BootEvidence = typeof BootEvidence.Type
