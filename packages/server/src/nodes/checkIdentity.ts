import type { AuthRequest } from "@patela/domain/api/PublicApi"
import { attestationKeyFromHex } from "@patela/tpm/identity/AttestationKey"
import { type EndorsementKey, endorsementKeyFromHex } from "@patela/tpm/identity/EndorsementKey"
import { toHex } from "@patela/tpm/structures/Hex"
import { nameOf } from "@patela/tpm/structures/Name"
import { Result } from "effect"
import type { NodeIdentity } from "./NodeRow.ts"

/** An identity whose keys are exactly of the accepted templates, and whose AK name the server itself computed. */
export interface CheckedIdentity {
  readonly identity: NodeIdentity
  readonly endorsementKey: EndorsementKey
  readonly akName: Uint8Array
}

/** Which field of the request is wrong, and what is wrong with it. */
export type IdentityFault = string

/**
 * Looks at all three values of an authentication request. A software key passes for an attestation key unless every
 * attribute is as in the template, and a name that the client sends proves nothing, so it is computed and compared.
 */
export const checkIdentity = (
  request: Pick<AuthRequest, "ek_public" | "ak_public" | "ak_name">
): Result.Result<CheckedIdentity, IdentityFault> => {
  const ek = endorsementKeyFromHex(request.ek_public)
  if (Result.isFailure(ek)) {
    return Result.fail(`ek_public is not an endorsement key that is accepted here: ${ek.failure.message}`)
  }
  const ak = attestationKeyFromHex(request.ak_public)
  if (Result.isFailure(ak)) return Result.fail(`ak_public is not an attestation key: ${ak.failure.message}`)
  const akName = nameOf(ak.success.public)
  if (toHex(akName) !== request.ak_name.toLowerCase()) {
    return Result.fail("ak_name is not the Name of the key in ak_public (nameAlg and the hash of its public area)")
  }
  return Result.succeed({
    identity: {
      ek_public: request.ek_public.toLowerCase(),
      ak_public: request.ak_public.toLowerCase(),
      ak_name: toHex(akName)
    },
    endorsementKey: ek.success,
    akName
  })
}
