import { type AuditFields, entryDigest, NO_DIGEST } from "./entryDigest.ts"

/** An entry as the database has it. */
export interface ChainedEntry extends AuditFields {
  readonly digest: string
}

/** Where the chain ends: the number and digest of the newest entry, kept apart from the entries. 0 where there is none. */
export interface ChainHead {
  readonly last_id: number
  readonly digest: string
}

/**
 * What is wrong with a stretch of entries. `changed`: they are not as they were written. `missing`: they are not there, and
 * later ones are. `cut`: the newest are not there. `beyond`: they were not written by Patela. `head`: what says where the
 * chain ends is not as it was written. `other`: the entry is another than the one that was seen before.
 */
export interface ChainFault {
  readonly kind: "changed" | "missing" | "cut" | "beyond" | "head" | "other"
  readonly from: number
  readonly to: number
}

/** An entry that somebody noted. */
export interface SeenEntry {
  readonly id: number
  readonly digest: string
}

/**
 * How far a chain was looked at. `digests` are those that the next entry may hold: the one that its predecessor bears and
 * the one that it should; none where that is missing.
 */
export interface ChainCheck {
  readonly id: number
  readonly digests: ReadonlyArray<string>
  readonly faults: ReadonlyArray<ChainFault>
}

export const chainStart: ChainCheck = { id: 0, digests: [NO_DIGEST], faults: [] }

/** Neighbours with the same fault are one stretch. */
const withFault = (faults: ReadonlyArray<ChainFault>, fault: ChainFault): ReadonlyArray<ChainFault> => {
  const last = faults.at(-1)
  return last !== undefined && last.kind === fault.kind && last.to + 1 === fault.from
    ? [...faults.slice(0, -1), { ...last, to: fault.to }]
    : [...faults, fault]
}

/** Looks at the next entry; they come by ascending number. */
export const checkEntry = (check: ChainCheck, entry: ChainedEntry, seen?: SeenEntry): ChainCheck => {
  let faults = check.faults
  const gap = entry.id > check.id + 1
  if (gap) faults = withFault(faults, { kind: "missing", from: check.id + 1, to: entry.id - 1 })
  const due = gap ? [] : check.digests.map((previous) => entryDigest(previous, entry))
  // After a gap nothing says what the entry should hold: that it is missing is said already.
  if (!gap && !due.includes(entry.digest)) faults = withFault(faults, { kind: "changed", from: entry.id, to: entry.id })
  if (seen !== undefined && seen.id === entry.id && seen.digest !== entry.digest) {
    faults = withFault(faults, { kind: "other", from: entry.id, to: entry.id })
  }
  // Where only the digest of this one was changed, the next holds what it was, and is not at fault.
  return { id: entry.id, digests: [...new Set([entry.digest, ...due])], faults }
}

/** What is wrong with the chain, once every entry that `head` knows of was looked at, and which there are beyond it. */
export const chainFaults = (
  check: ChainCheck,
  head: ChainHead,
  beyond: ReadonlyArray<number>,
  seen?: SeenEntry
): ReadonlyArray<ChainFault> => {
  let faults = check.faults
  if (check.id < head.last_id) faults = withFault(faults, { kind: "cut", from: check.id + 1, to: head.last_id })
  else if (!check.digests.includes(head.digest)) {
    faults = withFault(faults, { kind: "head", from: head.last_id, to: head.last_id })
  }
  for (const id of beyond) faults = withFault(faults, { kind: "beyond", from: id, to: id })
  if (seen !== undefined && seen.id > head.last_id) {
    faults = withFault(faults, { kind: "cut", from: head.last_id + 1, to: seen.id })
  }
  return faults
}

const WORDS: Readonly<Record<ChainFault["kind"], readonly [one: string, more: string]>> = {
  changed: ["was changed", "were changed"],
  missing: ["is missing", "are missing"],
  cut: ["was cut from the end", "were cut from the end"],
  beyond: ["was not written by Patela", "were not written by Patela"],
  head: ["is not the one that the log ends with", "are not those that the log ends with"],
  other: ["is another than was seen", "are others than were seen"]
}

/** A fault in words, such as `entries 5 to 7 are missing`. */
export const faultText = ({ kind, from, to }: ChainFault): string => {
  const [one, more] = WORDS[kind]
  return from === to ? `entry ${from} ${one}` : `entries ${from} to ${to} ${more}`
}
