import { Result } from "effect"
import { createHash } from "node:crypto"
import { readWhole } from "../structures/ByteReader.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { toHex } from "../structures/Hex.ts"
import { LINKS_MAX, type SlotName } from "./chain.ts"
import { digestOfPayload, FAMILIES_MAX, FAMILY_BYTES, RELAY_BYTES } from "./payload.ts"

/** "PATK" */
const MAGIC = 0x5041_544b
/**
 * Version 1 is a slot of one index, with zero where version 2 has the number of its indexes. Version 3 has families after
 * the relays, as many as the length says; without any a store stays version 2, which an older Patela reads.
 */
const VERSION = 3
const WITHOUT_FAMILIES = 2
/** magic 4, version 1, links 1, count 2, sequence 4, length 4, digest 32, check 4. */
export const HEADER_BYTES = 52
const CHECKED_BYTES = HEADER_BYTES - 4

/** What the header of a slot says of its payload. */
export interface Header {
  /** Grows by one with every write; the larger one is current. */
  readonly sequence: number
  readonly count: number
  /** How many families' keys stand after those of the relays. */
  readonly families: number
  /** NV indexes that the slot stands in: the header and the payload, one after the other. */
  readonly links: number
  /** Bytes of the payload. */
  readonly length: number
  /** SHA-256 of the payload, lower-case hex. */
  readonly digest: string
}

/** One slot as it was found. A header that was never written makes it empty, whatever stands behind it. */
export type Slot<Content> =
  | { readonly state: "empty" }
  | { readonly state: "damaged"; readonly reason: string; readonly sequence: number }
  | ({ readonly state: "valid"; readonly header: Header } & Content)

/** The first bytes of SHA-256, against a header of which only a part was written. */
const checkOf = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest().subarray(0, 4)

export const encodeHeader = (header: Omit<Header, "digest"> & { readonly digest: Uint8Array }): Uint8Array => {
  const version = header.families === 0 ? WITHOUT_FAMILIES : VERSION
  const checked = new ByteWriter().u32(MAGIC).u8(version).u8(header.links).u16(header.count).u32(header.sequence)
    .u32(header.length).bytes(header.digest).done()
  return new ByteWriter().bytes(checked).bytes(checkOf(checked)).done()
}

/** Reads the first HEADER_BYTES of a slot's first index; `undefined` stands for an index that is absent or was never written. */
export const readHeader = (bytes: Uint8Array | undefined): Slot<unknown> => {
  // What was not written yet reads as ones, on some TPMs as zeros (TPM 2.0 part 3, 31.3 and 31.7).
  if (bytes === undefined) return { state: "empty" }
  const start = bytes.subarray(0, HEADER_BYTES)
  if (start.every((byte) => byte === 0xff) || start.every((byte) => byte === 0)) return { state: "empty" }
  const decoded = readWhole(start, "header", (reader) => {
    const magic = reader.u32("magic")
    if (magic !== MAGIC) return reader.fail("magic", "is not that of a key store")
    const version = reader.u8("version")
    if (version < 1 || version > VERSION) {
      return reader.fail("version", `is ${version}, this Patela reads 1 to ${VERSION}: a newer one may have written it`)
    }
    const links = reader.u8("links")
    if (version === 1 ? links !== 0 : links < 1 || links > LINKS_MAX) {
      return reader.fail("links", `are ${links}, which version ${version} has not`)
    }
    const count = reader.u16("count")
    const sequence = reader.u32("sequence")
    const length = reader.u32("length")
    const digest = toHex(reader.bytes("digest", 32))
    const check = toHex(reader.bytes("check", 4))
    if (check !== toHex(checkOf(start.subarray(0, CHECKED_BYTES)))) return reader.fail("check", "does not match")
    const families = version <= WITHOUT_FAMILIES ? 0 : (length - count * RELAY_BYTES) / FAMILY_BYTES
    const few = version <= WITHOUT_FAMILIES || (families >= 1 && families <= FAMILIES_MAX && Number.isInteger(families))
    if (!few || length !== count * RELAY_BYTES + families * FAMILY_BYTES) {
      return reader.fail("length", `${length} is not that of ${count} relays`)
    }
    return { sequence, count, families, links: Math.max(1, links), length, digest }
  })
  return Result.match(decoded, {
    onFailure: ({ message }) => ({ state: "damaged", reason: message, sequence: 0 }),
    onSuccess: (header) => ({ state: "valid", header })
  })
}

/**
 * Reads all of a slot, its indexes one after the other: it is valid only with the payload that its header promises.
 */
export const readSlot = (bytes: Uint8Array | undefined): Slot<{ readonly payload: Uint8Array }> => {
  const found = readHeader(bytes)
  if (found.state !== "valid" || bytes === undefined) return found.state === "valid" ? { state: "empty" } : found
  const { header } = found
  const payload = bytes.slice(HEADER_BYTES, HEADER_BYTES + header.length)
  return payload.length === header.length && digestOfPayload(payload) === header.digest
    ? { state: "valid", header, payload }
    : { state: "damaged", reason: "payload: does not match its digest", sequence: header.sequence }
}

/** Which of two slots is current. */
export type Current<Content> =
  | { readonly state: "none" }
  | { readonly state: "damaged"; readonly reason: string }
  | ({ readonly state: "found"; readonly slot: SlotName; readonly header: Header } & Content)

/**
 * The valid slot with the larger sequence. A damaged slot beside a valid one is a write that did not end, or is to be
 * replaced by the next one; damage without a valid slot is damage.
 */
export const currentOf = <Content>(a: Slot<Content>, b: Slot<Content>): Current<Content> => {
  if (a.state === "valid" && (b.state !== "valid" || a.header.sequence >= b.header.sequence)) {
    return { ...a, state: "found", slot: "a" }
  }
  if (b.state === "valid") return { ...b, state: "found", slot: "b" }
  if (a.state === "damaged") return { state: "damaged", reason: `slot A, ${a.reason}` }
  if (b.state === "damaged") return { state: "damaged", reason: `slot B, ${b.reason}` }
  return { state: "none" }
}

/** The sequence for the next write: above every header, also those whose payload is lost. */
export const nextSequence = (a: Slot<unknown>, b: Slot<unknown>): number =>
  1 +
  Math.max(...[a, b].map((slot) =>
    slot.state === "valid" ? slot.header.sequence : slot.state === "damaged" ? slot.sequence : 0
  ))
