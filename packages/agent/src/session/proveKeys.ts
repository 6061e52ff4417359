import { type ProofChallenge, type ProvedKeys, provedWith } from "@patela/domain/api/Proof"
import { Redacted } from "effect"
import { createHmac } from "node:crypto"

/** The MAC that proves that this machine opened the credential of a proof challenge (HMAC, RFC 2104, SHA-256), as hex. */
export const proveKeys = (
  { challenge }: Pick<ProofChallenge, "challenge">,
  keys: ProvedKeys,
  key: Redacted.Redacted<Uint8Array>
): string => createHmac("sha256", Redacted.value(key)).update(provedWith(challenge, keys)).digest("hex")
