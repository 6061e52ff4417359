import { createHash } from "node:crypto"
import type { Payload } from "./payload.ts"
import { RELAY_BYTES } from "./payload.ts"
import { encodeHeader, HEADER_BYTES } from "./slot.ts"

/** One command to the TPM on the slot that is not current. The TPM does each wholly or not at all. */
export type WriteStep =
  | { readonly step: "undefine" }
  | { readonly step: "define"; readonly size: number }
  | { readonly step: "write"; readonly offset: number; readonly data: Uint8Array }

/** The steps of one save, in two parts: the payload is read back and compared between them. */
export interface WritePlan {
  readonly payload: ReadonlyArray<WriteStep>
  readonly header: ReadonlyArray<WriteStep>
}

/** How many relays fit into one NV index of so many bytes. */
export const relaysThatFit = (nvIndexMax: number): number =>
  Math.max(0, Math.floor((nvIndexMax - HEADER_BYTES) / RELAY_BYTES))

const chunks = (offset: number, data: Uint8Array, most: number): ReadonlyArray<WriteStep> =>
  Array.from({ length: Math.ceil(data.length / most) }, (_, at) => ({
    step: "write",
    offset: offset + at * most,
    data: data.subarray(at * most, (at + 1) * most)
  }))

/**
 * How to save a payload into a slot: the index is made anew only when its size is another, the payload goes first and
 * the header last. `definedSize` is the size of the slot's index, undefined when there is none. A write is never over
 * `nvBufferMax`, because a TPM refuses a larger one under a policy.
 */
export const writePlan = (input: {
  readonly payload: Payload
  readonly sequence: number
  readonly definedSize: number | undefined
  readonly nvBufferMax: number
}): WritePlan => {
  const { payload, sequence, definedSize, nvBufferMax } = input
  const size = HEADER_BYTES + payload.bytes.length
  const remade: ReadonlyArray<WriteStep> = definedSize === size
    ? []
    : [...(definedSize === undefined ? [] : [{ step: "undefine" } as const]), { step: "define", size }]
  const header = encodeHeader({
    sequence,
    count: payload.count,
    length: payload.bytes.length,
    digest: createHash("sha256").update(payload.bytes).digest()
  })
  return {
    payload: [...remade, ...chunks(HEADER_BYTES, payload.bytes, nvBufferMax)],
    header: [{ step: "write", offset: 0, data: header }]
  }
}
