import { createHash } from "node:crypto"
import type { NodeIdentity } from "../nodes/NodeRow.ts"

/** SHA-256 over the three values that a node is known by, as 64 hexadecimal digits: what a token is bound to. */
export const keysDigest = ({ ek_public, ak_public, ak_name }: NodeIdentity): string =>
  createHash("sha256").update([ek_public, ak_public, ak_name].join("\n").toLowerCase()).digest("hex")
