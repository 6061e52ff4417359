import { createHash } from "node:crypto"
import { LINKS_MAX, linkSizes } from "./chain.ts"
import type { Payload } from "./payload.ts"
import { FAMILY_BYTES, RELAY_BYTES } from "./payload.ts"
import { encodeHeader, HEADER_BYTES } from "./slot.ts"

/** One command to the TPM on a link of the slot that is not current. The TPM does each wholly or not at all. */
export type WriteStep =
  | { readonly step: "undefine"; readonly link: number }
  | { readonly step: "define"; readonly link: number; readonly size: number }
  | { readonly step: "write"; readonly link: number; readonly offset: number; readonly data: Uint8Array }

/** The bytes of a save that stand together in one index, to be read back in one go. */
export interface Stretch {
  readonly link: number
  readonly offset: number
  readonly data: Uint8Array
}

/** One save, in two parts, each with what must be read back after it: the payload is compared before the header goes in. */
export interface WritePlan {
  readonly payload: { readonly steps: ReadonlyArray<WriteStep>; readonly written: ReadonlyArray<Stretch> }
  readonly header: { readonly steps: ReadonlyArray<WriteStep>; readonly written: ReadonlyArray<Stretch> }
}

/** How many relays fit into a slot of so many bytes, beside the keys of so many families. */
export const relaysThatFit = (bytes: number, families: number): number =>
  Math.max(0, Math.floor((bytes - HEADER_BYTES - families * FAMILY_BYTES) / RELAY_BYTES))

/** The most bytes that a slot may have in a TPM with indexes of this size. The header must stand in the first one. */
export const slotBytesMax = (nvIndexMax: number): number => nvIndexMax < HEADER_BYTES ? 0 : LINKS_MAX * nvIndexMax

const chunks = ({ link, offset, data }: Stretch, most: number): ReadonlyArray<WriteStep> =>
  Array.from({ length: Math.ceil(data.length / most) }, (_, at) => ({
    step: "write",
    link,
    offset: offset + at * most,
    data: data.subarray(at * most, (at + 1) * most)
  }))

/** What of the payload stands in each link. The header has the first bytes of the first. */
const stretches = (payload: Uint8Array, sizes: ReadonlyArray<number>): ReadonlyArray<Stretch> => {
  const found: Array<Stretch> = []
  let at = 0
  for (const [link, size] of sizes.entries()) {
    const offset = link === 0 ? HEADER_BYTES : 0
    const data = payload.subarray(at, at + size - offset)
    if (data.length > 0) found.push({ link, offset, data })
    at += data.length
  }
  return found
}

/**
 * How to save a payload into a slot: the payload goes first and the header last. `defined` are the sizes of the slot's
 * links as they are. Links that are not needed go first, so that there is room; then new ones come, and only then those
 * of another size are made anew: while a TPM that is full refuses a new one, what the slot held is still there. A write
 * is never over `nvBufferMax`, because a TPM refuses a larger one under a policy.
 */
export const writePlan = (input: {
  readonly payload: Payload
  readonly sequence: number
  readonly defined: ReadonlyMap<number, number>
  readonly nvIndexMax: number
  readonly nvBufferMax: number
}): WritePlan => {
  const { payload, sequence, defined, nvIndexMax, nvBufferMax } = input
  const sizes = linkSizes(HEADER_BYTES + payload.bytes.length, nvIndexMax)
  const released = [...defined.keys()].filter((link) => link >= sizes.length).toSorted((one, other) => other - one)
  const links = sizes.map((size, link) => ({ link, size, before: defined.get(link) }))
  const added = links.filter(({ before }) => before === undefined)
  const remade = links.filter(({ before, size }) => before !== undefined && before !== size)
  const written = stretches(payload.bytes, sizes)
  const header = {
    link: 0,
    offset: 0,
    data: encodeHeader({
      sequence,
      count: payload.count,
      families: payload.families,
      links: sizes.length,
      length: payload.bytes.length,
      digest: createHash("sha256").update(payload.bytes).digest()
    })
  }
  return {
    payload: {
      steps: [
        ...released.map((link) => ({ step: "undefine", link } as const)),
        ...added.map(({ link, size }) => ({ step: "define", link, size } as const)),
        ...remade.flatMap(({ link, size }) => [
          { step: "undefine", link } as const,
          { step: "define", link, size } as const
        ]),
        ...written.flatMap((stretch) => chunks(stretch, nvBufferMax))
      ],
      written
    },
    header: { steps: chunks(header, nvBufferMax), written: [header] }
  }
}
