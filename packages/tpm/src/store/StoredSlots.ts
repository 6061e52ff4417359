import { Effect } from "effect"
import type { Tpm } from "../transport/Tpm.ts"
import type { TpmError } from "../transport/TpmError.ts"
import { linkIndex, type SlotName } from "./chain.ts"
import { type Current, currentOf, HEADER_BYTES, nextSequence, readHeader, readSlot, type Slot } from "./slot.ts"

/** What a look at both slots found. */
export interface StoredSlots {
  readonly current: Current<{ readonly payload: Uint8Array }>
  /** The sequence of the next write. */
  readonly next: number
}

/** Reads the two slots of the key store from a TPM. An index that is absent or was never written is nothing. */
export const storedSlots = (tpm: Tpm["Service"]) => {
  const readLink = (slot: SlotName, link: number, size?: number) =>
    tpm.nvRead(linkIndex(slot, link), 0, size).pipe(
      Effect.map((bytes): Uint8Array | undefined => bytes),
      Effect.catchTags({
        NvIndexAbsent: () => Effect.succeed(undefined),
        NvIndexUnwritten: () => Effect.succeed(undefined)
      })
    )

  /** The slot whose first index is `first`, with the rest of its indexes. */
  const whole = Effect.fnUntraced(function*(
    slot: SlotName,
    first: Uint8Array | undefined
  ): Effect.fn.Return<Slot<{ readonly payload: Uint8Array }>, TpmError> {
    const found = readHeader(first)
    if (first === undefined || found.state !== "valid") return readSlot(first)
    const { links, sequence } = found.header
    const parts = [first]
    for (let link = 1; link < links; link += 1) {
      const part = yield* readLink(slot, link)
      if (part === undefined) {
        return { state: "damaged", reason: `link ${link} of ${links - 1}: is not there`, sequence }
      }
      parts.push(part)
    }
    return readSlot(Buffer.concat(parts))
  })

  /** What the current header says, from the first bytes of each slot. */
  const header = Effect.gen(function*() {
    return currentOf(
      readHeader(yield* readLink("a", 0, HEADER_BYTES)),
      readHeader(yield* readLink("b", 0, HEADER_BYTES))
    )
  })

  /** The rest of the older slot is read only when the newer one turns out damaged. */
  const look = Effect.gen(function*() {
    const first = { a: yield* readLink("a", 0), b: yield* readLink("b", 0) }
    const headers = { a: readHeader(first.a), b: readHeader(first.b) }
    const next = nextSequence(headers.a, headers.b)
    const newer = currentOf(headers.a, headers.b)
    if (newer.state !== "found") return { current: newer, next } satisfies StoredSlots
    const slot = yield* whole(newer.slot, first[newer.slot])
    if (slot.state === "valid") {
      return { current: { ...slot, state: "found", slot: newer.slot }, next } satisfies StoredSlots
    }
    const current = newer.slot === "a"
      ? currentOf(slot, yield* whole("b", first.b))
      : currentOf(yield* whole("a", first.a), slot)
    return { current, next } satisfies StoredSlots
  })

  return { header, look }
}
