import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import type { RelayName } from "@patela/domain/relay/RelayName"

/** Whose key files are meant, and who should own them. */
export interface KeyOwner {
  readonly name: RelayName
  readonly uid: number
  readonly gid: number
}

/** What the host has of a relay's two key files. No secret stands in it. */
export type HostIdentity =
  | { readonly state: "absent" }
  | { readonly state: "partial"; readonly missing: "ed25519" | "rsa" }
  | { readonly state: "damaged"; readonly why: string }
  | {
    readonly state: "present"
    readonly fingerprints: Fingerprints
    /** `identityDigest` of it. */
    readonly digest: string
    /** What is wrong with owner or mode, one line each. */
    readonly untidy: ReadonlyArray<string>
  }

/** Both public identities in one line. */
export const fingerprintLine = (fingerprints: Fingerprints): string =>
  `${fingerprints.rsa} (ed25519 ${fingerprints.ed25519})`

export const sameFingerprints = (one: Fingerprints, other: Fingerprints): boolean =>
  one.rsa === other.rsa && one.ed25519 === other.ed25519
