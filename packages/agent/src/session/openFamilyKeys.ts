import { familySealedWith, type SealedFamilyKeys } from "@patela/domain/api/FamilyKeys"
import type { FamilyId } from "@patela/domain/family/FamilyId"
import { familyIdOf, type FamilySecret, familySecretFromBytes } from "@patela/domain/family/FamilySecret"
import { openUnder } from "@patela/tpm/credential/sealedUnder"
import { toHex } from "@patela/tpm/structures/Hex"
import type { Tpm } from "@patela/tpm/transport/Tpm"
import { Effect, Option, Redacted } from "effect"
import { ServerRefused, TpmNotReady } from "./SessionError.ts"

/** What of the TPM this takes. */
type Opener = Pick<Tpm["Service"], "activateCredential" | "attestationKey" | "endorsementKey">

/**
 * Opens the keys of the family that the server sealed to this TPM. All that were asked for have to be there, and each has
 * to be the key of its identity.
 */
export const openFamilyKeys = Effect.fn("openFamilyKeys")(
  function*(tpm: Opener, ids: ReadonlyArray<FamilyId>, { blob, keys, secret }: SealedFamilyKeys) {
    const attestation = yield* tpm.attestationKey
    const ours = {
      ek_public: toHex(yield* tpm.endorsementKey),
      ak_public: toHex(attestation.public),
      ak_name: toHex(attestation.name)
    }
    const key = yield* tpm.activateCredential({ blob: bytes(blob), secret: bytes(secret) })
    const opened = new Map<FamilyId, FamilySecret>()
    for (const { id, sealed } of keys) {
      const plain = openUnder(key, bytes(sealed), familySealedWith(id, ours))
      if (Option.isNone(plain)) return yield* refused(id, "it does not belong to its credential or our keys")
      const family = familySecretFromBytes(Redacted.value(plain.value))
      if (family._tag === "Failure") return yield* refused(id, family.failure.message)
      if (familyIdOf(family.success) !== id) return yield* refused(id, "it is of another family")
      opened.set(id, family.success)
    }
    const missing = ids.find((id) => !opened.has(id))
    if (missing !== undefined) return yield* refused(missing, "it was not sent")
    return opened
  },
  Effect.catch((error) =>
    Effect.fail(error._tag === "ServerRefused" ? error : new TpmNotReady({ message: error.message }))
  )
)

const refused = (id: FamilyId, why: string): ServerRefused =>
  new ServerRefused({
    message:
      `the server's key of the family ${id} is refused: ${why}. Something between this node and the server may ` +
      "be altering it"
  })

const bytes = (text: string): Uint8Array => Buffer.from(text, "hex")
