import { familySealedWith, type SealedFamilyKeys } from "@patela/domain/api/FamilyKeys"
import type { FamilyId } from "@patela/domain/family/FamilyId"
import type { FamilySecret } from "@patela/domain/family/FamilySecret"
import { makeCredential } from "@patela/tpm/credential/makeCredential"
import { sealUnder } from "@patela/tpm/credential/sealedUnder"
import { endorsementKeyFromHex } from "@patela/tpm/identity/EndorsementKey"
import { toHex } from "@patela/tpm/structures/Hex"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import type { NodeIdentity } from "../nodes/NodeRow.ts"

/**
 * Seals keys of the family to one TPM: a new 32-byte key wrapped by TPM2_MakeCredential (TPM 2.0 part 1, 24) for the keys
 * that the node authenticated with, and each secret under that key, bound to its family and to the node's keys.
 */
export const sealFamilyKeys = Effect.fn("sealFamilyKeys")(function*(
  node: NodeIdentity,
  secrets: ReadonlyMap<FamilyId, FamilySecret>
) {
  const endorsementKey = yield* Effect.fromResult(endorsementKeyFromHex(node.ek_public))
  const key = randomBytes(32)
  const { blob, secret } = yield* makeCredential({
    endorsementKey: endorsementKey.public,
    akName: Buffer.from(node.ak_name, "hex"),
    credential: key
  })
  const keys = [...secrets].map(([id, each]) => ({
    id,
    sealed: toHex(sealUnder(key, each, familySealedWith(id, node)))
  }))
  key.fill(0)
  return { blob: toHex(blob), secret: toHex(secret), keys } satisfies SealedFamilyKeys
})
