import { Result } from "effect"
import { hash as hashOnce } from "node:crypto"
import type { PcrValues } from "../quote/PcrValues.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { bankName, hashAlgorithmOf } from "../structures/HashAlgorithm.ts"
import type { BootEvent, EventLog } from "./EventLog.ts"
import { EventLogRefused } from "./EventLogRefused.ts"
import { EventType } from "./EventType.ts"

const PCRS = 24
/** PCRs that a dynamic root of trust resets to zero; before that every bit of them is one (PTP, "PCR Initial and Reset Values"). */
const FIRST_DYNAMIC = 17
const LAST_DYNAMIC = 22

const LOCALITY_SIGNATURE = "StartupLocality\0"
/** TPM2_Startup comes from locality 0 or 3; 4 stands for an H-CRTM (PFP, "Startup Locality Event"). */
const LOCALITIES = new Set([0, 3, 4])

const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes)

const isLocality = ({ pcr, type, data }: BootEvent): boolean =>
  type === EventType.noAction && pcr === 0 && text(data.subarray(0, 16)) === LOCALITY_SIGNATURE

const refused = (field: string, message: string): Result.Result<never, EventLogRefused> =>
  Result.fail(new EventLogRefused({ field: `event log.${field}`, message: `event log.${field} ${message}` }))

/** An H-CRTM, which measures before TPM2_Startup, makes PCR 0 begin as if it came from locality 4 (TPM 2.0 part 1, 34.3). */
const H_CRTM_LOCALITY = 4

const extendsPcr0 = ({ pcr, type }: BootEvent): boolean => pcr === 0 && type !== EventType.noAction

/** The locality that TPM2_Startup came from, 0 without an event that says so. */
const startupLocality = ({ events }: EventLog): Result.Result<number, EventLogRefused> => {
  const extended = events.findIndex(extendsPcr0)
  const isMeasured = events[extended]?.type === EventType.efiHcrtm
  const at = events.findIndex(isLocality)
  const data = events[at]?.data
  if (data === undefined) return Result.succeed(isMeasured ? H_CRTM_LOCALITY : 0)
  const locality = data[16]
  if (data.length !== 17 || locality === undefined || !LOCALITIES.has(locality)) {
    return refused(`events.${at}`, "is a startup locality of a form or value that does not exist")
  }
  if (events.findLastIndex(isLocality) !== at) return refused(`events.${at}`, "is not the only startup locality")
  if (extended !== -1 && extended < at) return refused(`events.${at}`, "is a startup locality after PCR 0 was extended")
  return Result.succeed(isMeasured ? H_CRTM_LOCALITY : locality)
}

/** Value before the first event. A log that extends a dynamic PCR is one of a dynamic launch, which set it to zero. */
const initialValue = (pcr: number, size: number, locality: number, extended: boolean): Uint8Array => {
  const value = new Uint8Array(size)
  if (pcr === 0) value[size - 1] = locality
  if (pcr >= FIRST_DYNAMIC && pcr <= LAST_DYNAMIC && !extended) value.fill(0xff)
  return value
}

/**
 * The values that all 24 PCRs of a bank have when exactly the events of a log were extended: new = H(old || digest)
 * (TPM 2.0 part 1, 17.4). EV_NO_ACTION events are not extended; one of them may say which locality started the TPM, which
 * is then the last byte of PCR 0 before its first event (PFP, "Startup Locality Event"); after an H-CRTM that is 4. `hash` is a TPM_ALG_ID.
 */
export const replayEventLog = (log: EventLog, hash: number): Result.Result<PcrValues, EventLogRefused> =>
  Result.gen(function*() {
    const algorithm = hashAlgorithmOf(hash)
    if (algorithm === undefined || !log.algorithms.includes(hash)) {
      return yield* refused(
        "header.event.digestSizes",
        `has no ${bankName(hash)} that can be replayed: ${log.algorithms.map(bankName).join(", ")}`
      )
    }
    const locality = yield* startupLocality(log)
    const extensions = log.events.filter(({ type }) => type !== EventType.noAction)
    const extended = new Set(extensions.map(({ pcr }) => pcr))
    const values = new Map<number, Uint8Array>()
    for (let pcr = 0; pcr < PCRS; pcr += 1) {
      values.set(pcr, initialValue(pcr, algorithm.size, locality, extended.has(pcr)))
    }
    for (const { pcr, digests } of extensions) {
      const before = values.get(pcr) ?? new Uint8Array()
      const joined = new ByteWriter().bytes(before).bytes(digests.get(hash) ?? new Uint8Array()).done()
      values.set(pcr, new Uint8Array(hashOnce(algorithm.name, joined, "buffer")))
    }
    return new Map([[hash, values]])
  })
