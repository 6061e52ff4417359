import type { Fingerprints } from "@patela/domain/relay/Fingerprint"

/** What to do with the fingerprints that a node reports for a relay. */
export type FingerprintVerdict = "nothing to do" | "record" | "alarm"

/**
 * The first fingerprints are put on record. Others later never replace them: a relay whose keys changed has lost its
 * standing in the network, or is not the machine it says, and a person must look.
 */
export const judgeFingerprint = (recorded: Fingerprints | null, reported: Fingerprints | null): FingerprintVerdict => {
  if (reported === null) return "nothing to do"
  if (recorded === null) return "record"
  return recorded.rsa === reported.rsa && recorded.ed25519 === reported.ed25519 ? "nothing to do" : "alarm"
}
