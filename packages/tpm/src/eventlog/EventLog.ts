import { MAX_EVENT_LOG } from "@patela/domain/attestation/BootEvidence"
import type { Result } from "effect"
import { type ByteReader, readWhole } from "../structures/ByteReader.ts"
import { bankName, hashAlgorithmOf } from "../structures/HashAlgorithm.ts"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"
import { EventType } from "./EventType.ts"

/** One TCG_PCR_EVENT2 of a log (PFP, "TCG_PCR_EVENT2 Structure"). */
export interface BootEvent {
  /** The PCR that was extended; of an EV_NO_ACTION event it says nothing of the kind and may be 0xffffffff. */
  readonly pcr: number
  /** See `EventType`; an unknown one is extended like any other. */
  readonly type: number
  /** What was extended, by TPM_ALG_ID of the bank: one for each algorithm of the log. */
  readonly digests: ReadonlyMap<number, Uint8Array>
  /** What was measured, or words for it: replaying does not prove it, only the digests. */
  readonly data: Uint8Array
}

/** A crypto-agile event log (PFP, "Event Logging"). */
export interface EventLog {
  /** TPM_ALG_ID of the banks that the log has digests for, in its order. */
  readonly algorithms: ReadonlyArray<number>
  readonly events: ReadonlyArray<BootEvent>
}

/** Most events of a log; a boot with many option ROMs and a boot loader that measures each command has some hundreds. */
const MAX_EVENTS = 4096
const MAX_ALGORITHMS = 8
const MAX_DIGEST = 64
/** PCRs of a TPM of a PC. */
const PCRS = 24
const SHA1_BYTES = 20

const SPEC_ID_SIGNATURE = "Spec ID Event03\0"

const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes)

/** TCG_EfiSpecIdEvent: which algorithms the events have, and the sizes of their digests (PFP, "Specification ID Version Event"). */
const readSpecId = (reader: ByteReader): ReadonlyMap<number, number> => {
  if (text(reader.bytes("signature", 16)) !== SPEC_ID_SIGNATURE) {
    return reader.fail("signature", "is not \"Spec ID Event03\": no crypto-agile log")
  }
  reader.bytes("platformClass and versions", 8)
  const count = reader.u32le("numberOfAlgorithms")
  if (count === 0 || count > MAX_ALGORITHMS) {
    return reader.fail("numberOfAlgorithms", `is ${count}, expected 1 to ${MAX_ALGORITHMS}`)
  }
  const sizes = new Map<number, number>()
  for (let at = 0; at < count; at += 1) {
    const algorithm = reader.u16le(`digestSizes.${at}.algorithmId`)
    const size = reader.u16le(`digestSizes.${at}.digestSize`)
    const expected = hashAlgorithmOf(algorithm)?.size
    if (sizes.has(algorithm)) reader.fail(`digestSizes.${at}`, `names ${bankName(algorithm)} a second time`)
    if (size === 0 || size > MAX_DIGEST || (expected !== undefined && size !== expected)) {
      reader.fail(`digestSizes.${at}.digestSize`, `is ${size} for ${bankName(algorithm)}`)
    }
    sizes.set(algorithm, size)
  }
  reader.bytes("vendorInfo", reader.u8("vendorInfoSize"))
  return sizes
}

/** The first event, a TCG_PCClientPCREvent in the form of TPM 1.2, so that old readers can pass over it. */
const readHeader = (reader: ByteReader): ReadonlyMap<number, number> => {
  const pcr = reader.u32le("header.pcrIndex")
  const type = reader.u32le("header.eventType")
  if (pcr !== 0 || type !== EventType.noAction) reader.fail("header", "is not an EV_NO_ACTION event of PCR 0")
  if (reader.bytes("header.digest", SHA1_BYTES).some((byte) => byte !== 0)) reader.fail("header.digest", "is not zero")
  return reader.within("header.event", reader.u32le("header.eventDataSize"), readSpecId)
}

const readDigests = (
  reader: ByteReader,
  field: string,
  sizes: ReadonlyMap<number, number>
): ReadonlyMap<number, Uint8Array> => {
  const count = reader.u32le(`${field}.count`)
  if (count !== sizes.size) reader.fail(`${field}.count`, `is ${count}, the log has ${sizes.size} algorithms`)
  const digests = new Map<number, Uint8Array>()
  for (let at = 0; at < count; at += 1) {
    const algorithm = reader.u16le(`${field}.${at}.hashAlg`)
    const size = sizes.get(algorithm)
    if (size === undefined || digests.has(algorithm)) {
      return reader.fail(`${field}.${at}.hashAlg`, `${bankName(algorithm)} is not expected here`)
    }
    digests.set(algorithm, reader.bytes(`${field}.${at}.digest`, size))
  }
  return digests
}

const readEvent = (reader: ByteReader, field: string, sizes: ReadonlyMap<number, number>): BootEvent => {
  const pcr = reader.u32le(`${field}.pcrIndex`)
  const type = reader.u32le(`${field}.eventType`)
  if (type !== EventType.noAction && pcr >= PCRS) {
    reader.fail(`${field}.pcrIndex`, `is ${pcr}, expected 0 to ${PCRS - 1}`)
  }
  const digests = readDigests(reader, `${field}.digests`, sizes)
  return { pcr, type, digests, data: reader.bytes(`${field}.event`, reader.u32le(`${field}.eventSize`)) }
}

/**
 * Reads a crypto-agile log of at most 512 KiB and 4096 events that fills `bytes` exactly, as Linux gives it in
 * /sys/kernel/security/tpm0/binary_bios_measurements: a Spec ID event in the old form, and after it TCG_PCR_EVENT2 each
 * with one digest of every algorithm that the Spec ID event names (TCG PC Client Platform Firmware Profile, PFP, "Event
 * Logging"). All numbers are little-endian.
 */
export const decodeEventLog = (bytes: Uint8Array): Result.Result<EventLog, MalformedStructure> =>
  readWhole(bytes, "event log", (reader) => {
    if (bytes.length > MAX_EVENT_LOG) {
      return reader.fail("size", `is ${bytes.length} bytes, at most ${MAX_EVENT_LOG} are allowed`)
    }
    const sizes = readHeader(reader)
    const events: Array<BootEvent> = []
    while (reader.remaining > 0) {
      if (events.length === MAX_EVENTS) reader.fail("events", `are more than ${MAX_EVENTS}`)
      events.push(readEvent(reader, `events.${events.length}`, sizes))
    }
    return { algorithms: [...sizes.keys()], events }
  })
