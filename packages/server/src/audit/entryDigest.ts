import { createHash } from "node:crypto"

/** What the digest of an entry is over, besides that of the entry before it. */
export interface AuditFields {
  readonly id: number
  readonly happened_at: string
  readonly who: string
  readonly what: string
  readonly value_before: string | null
  readonly value_after: string | null
}

/** Stands in for the digest before the first entry. */
export const NO_DIGEST = ""

/** A text as `length:bytes,` with its length in bytes (a netstring), null as `-,`. No two lists of values read the same. */
const written = (value: string | null): Buffer => {
  if (value === null) return Buffer.from("-,")
  const bytes = Buffer.from(value, "utf8")
  return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes, Buffer.from(",")])
}

/**
 * The digest of an entry of the audit log, which holds that of the entry before: SHA-256, lower-case hex, over these values
 * one after another, each as `written` has it: the text `patela audit v1`; `previous`, 64 hex digits, or empty before the
 * first; the number in decimal; when, who, what, the value before, the value after, in UTF-8. It never changes: entries of
 * every version are of one chain.
 */
export const entryDigest = (previous: string, entry: AuditFields): string => {
  const { id, happened_at, who, what, value_before, value_after } = entry
  const values = ["patela audit v1", previous, String(id), happened_at, who, what, value_before, value_after]
  return createHash("sha256").update(Buffer.concat(values.map(written))).digest("hex")
}
