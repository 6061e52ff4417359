import { createHash } from "node:crypto"

/** A relay as the directory authorities agreed on it. */
export interface ListedRelay {
  readonly nickname: string
  /** RSA fingerprint, 40 hex digits. */
  readonly fingerprint: string
  /** `ADDRESS:PORT` of its ORPort. */
  readonly v4: string
  /** `[ADDRESS]:PORT` of that of IPv6. */
  readonly v6: string | undefined
  readonly flags: ReadonlyArray<string>
  /** The digest of its microdescriptor. */
  readonly microdescriptor: string
}

/** A consensus of the "microdesc" flavour (dir-spec, section 3.9.2). */
export interface Consensus {
  /** `2026-11-29 05:55:40`: there is one for each round of votes. */
  readonly validAfter: string
  readonly relays: ReadonlyArray<ListedRelay>
}

/** What authorities hand out of a relay's family (dir-spec, section 3.3): they checked its certificate before. */
export interface DeclaredFamily {
  /** `ed25519:` and the public identity of each family. */
  readonly ids: ReadonlyArray<string>
  /** `$` and the fingerprint of each relay that it names. */
  readonly members: ReadonlyArray<string>
}

const words = (text: string, keyword: string): ReadonlyArray<string> =>
  new RegExp(`^${keyword} (.*)$`, "m").exec(text)?.[1]?.split(" ") ?? []

/** Pure. */
export const readConsensus = (text: string): Consensus => ({
  validAfter: words(text, "valid-after").join(" "),
  relays: text.split(/^(?=r )/m).slice(1).map((entry) => {
    const [nickname = "", identity = "", , , address = "", port = ""] = words(entry, "r")
    return {
      nickname,
      fingerprint: Buffer.from(identity, "base64").toString("hex").toUpperCase(),
      v4: `${address}:${port}`,
      v6: words(entry, "a")[0],
      flags: words(entry, "s"),
      microdescriptor: words(entry, "m")[0] ?? ""
    }
  })
})

/** Families by the digest of their microdescriptor. Pure. */
export const readFamilies = (microdescriptors: string): ReadonlyMap<string, DeclaredFamily> =>
  new Map(
    microdescriptors.split(/^(?=onion-key)/m).map((text) => [
      createHash("sha256").update(text).digest("base64").replace(/=+$/, ""),
      { ids: words(text, "family-ids"), members: words(text, "family") }
    ])
  )
