import type { ProvedKeys } from "@patela/domain/api/Proof"
import { Result } from "effect"
import { Newest } from "../limits/Newest.ts"
import { type CheckedIdentity, checkIdentity, type IdentityFault } from "./checkIdentity.ts"

/**
 * How many identities are kept checked, some 4 KB each with OpenSSL's part: as many as machines may wait, which ask every few
 * seconds. Nodes ask every quarter of an hour.
 */
const MOST_KEPT = 1024

/**
 * `checkIdentity`, done once for those who ask again and again with the same three values. What is refused is not kept, so
 * only well-formed identities take room, and the oldest makes room for the newest.
 */
export const knownIdentities = (): (request: ProvedKeys) => Result.Result<CheckedIdentity, IdentityFault> => {
  const kept = new Newest<Result.Result<CheckedIdentity, IdentityFault>>(MOST_KEPT)
  return (request) => {
    const key = `${request.ek_public} ${request.ak_public} ${request.ak_name}`
    const known = kept.get(key)
    if (known !== undefined) return known
    const checked = checkIdentity(request)
    return Result.isFailure(checked) ? checked : kept.add(key, checked)
  }
}
