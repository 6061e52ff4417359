import { createHash } from "node:crypto"
import { EventType } from "../src/eventlog/EventType.ts"
import { hashAlgorithmOf } from "../src/structures/HashAlgorithm.ts"

/** An event to be written: its digests are the hashes of `data` unless they are given. */
export interface WrittenEvent {
  readonly pcr: number
  readonly type: number
  readonly data: Uint8Array
  readonly digests?: ReadonlyMap<number, Uint8Array>
}

const u8 = (value: number): Buffer => Buffer.from([value])
const u16 = (value: number): Buffer => Buffer.from([value & 0xff, value >> 8])
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const sized = (data: Uint8Array): Buffer => Buffer.concat([u32(data.length), data])

export const digestOf = (algorithm: number, data: Uint8Array): Uint8Array =>
  new Uint8Array(createHash(hashAlgorithmOf(algorithm)?.name ?? "sha256").update(data).digest())

/** TCG_EfiSpecIdEvent of the PC client platform, version 2.0, with 64-bit UINTN. */
export const specId = (sizes: ReadonlyArray<readonly [number, number]>): Buffer =>
  Buffer.concat([
    Buffer.from("Spec ID Event03\0"),
    u32(0),
    Buffer.from([0, 2, 0, 2]),
    u32(sizes.length),
    ...sizes.flatMap(([algorithm, size]) => [u16(algorithm), u16(size)]),
    u8(0)
  ])

export const header = (event: Uint8Array): Buffer =>
  Buffer.concat([u32(0), u32(EventType.noAction), Buffer.alloc(20), sized(event)])

export const writtenEvent = (algorithms: ReadonlyArray<number>, { pcr, type, data, digests }: WrittenEvent): Buffer =>
  Buffer.concat([
    u32(pcr),
    u32(type),
    u32(algorithms.length),
    ...algorithms.flatMap((algorithm) => {
      const zero = new Uint8Array(hashAlgorithmOf(algorithm)?.size ?? 0)
      const digest = digests?.get(algorithm) ?? (type === EventType.noAction ? zero : digestOf(algorithm, data))
      return [u16(algorithm), digest]
    }),
    sized(data)
  ])

/** A crypto-agile log as firmware writes it. */
export const writtenLog = (algorithms: ReadonlyArray<number>, events: ReadonlyArray<WrittenEvent>): Uint8Array =>
  new Uint8Array(Buffer.concat([
    header(specId(algorithms.map((algorithm) => [algorithm, hashAlgorithmOf(algorithm)?.size ?? 0]))),
    ...events.map((event) => writtenEvent(algorithms, event))
  ]))

/** The event that says from which locality TPM2_Startup came. */
export const startupLocality = (locality: number): WrittenEvent => ({
  pcr: 0,
  type: EventType.noAction,
  data: Buffer.concat([Buffer.from("StartupLocality\0"), u8(locality)])
})

/** What every boot begins with. */
export const crtmVersion: WrittenEvent = {
  pcr: 0,
  type: EventType.sCrtmVersion,
  data: Buffer.from("1.0\0", "utf16le")
}

/** What an H-CRTM measured. */
export const hcrtm: WrittenEvent = { pcr: 0, type: EventType.efiHcrtm, data: Buffer.from("HCRTM") }

const u64 = (value: number): Buffer => Buffer.concat([u32(value), u32(0)])

/** UEFI_VARIABLE_DATA (PFP, "UEFI_VARIABLE_DATA"): GUID, lengths in characters and bytes, name, value. */
const variable = (name: string, value: Uint8Array): Buffer =>
  Buffer.concat([Buffer.alloc(16), u64(name.length), u64(value.length), Buffer.from(name, "utf16le"), value])

/** UEFI_IMAGE_LOAD_EVENT with a device path that ends at once. */
const image = Buffer.concat([u64(0x10_0000), u64(4096), u64(0), u64(4), Buffer.from([0x7f, 0xff, 4, 0])])

/** What a small machine measures before it starts Linux. */
export const smallBoot: ReadonlyArray<WrittenEvent> = [
  crtmVersion,
  { pcr: 7, type: EventType.efiVariableDriverConfig, data: variable("SecureBoot", u8(1)) },
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((pcr) => ({ pcr, type: EventType.separator, data: Buffer.alloc(4) })),
  { pcr: 4, type: EventType.efiBootServicesApplication, data: image },
  { pcr: 12, type: EventType.ipl, data: Buffer.from("the command line\0") },
  { pcr: 14, type: EventType.ipl, data: Buffer.from("the image\0") }
]
