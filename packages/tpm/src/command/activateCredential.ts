import { Redacted } from "effect"
import type { Credential } from "../credential/makeCredential.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import type { Command } from "./Command.ts"
import { CommandCode } from "./CommandCode.ts"
import type { Entity } from "./Entity.ts"

const MAX_DIGEST = 64

/**
 * TPM2_ActivateCredential (TPM 2.0 part 3, 12.5). Takes the attestation key's authorisation, role ADMIN, and the
 * endorsement key's, role USER, in this order.
 */
export const activateCredential = (
  attestationKey: Entity,
  endorsementKey: Entity,
  credential: Credential
): Command<Redacted.Redacted<Uint8Array>> => ({
  name: "TPM2_ActivateCredential",
  code: CommandCode.activateCredential,
  handles: [attestationKey, endorsementKey],
  authorised: 2,
  // Both begin with their own size.
  parameters: new ByteWriter().bytes(credential.blob).bytes(credential.secret).done(),
  answersHandle: false,
  read: (reader) => Redacted.make(reader.sized("certInfo", MAX_DIGEST), { label: "credential" })
})
