import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Context, type Effect, type Redacted } from "effect"
import type { PcrSelection, Quoted } from "../command/pcr.ts"
import type { Credential } from "../credential/makeCredential.ts"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"
import type { NvIndexAbsent, NvIndexUnwritten, NvSpaceExhausted, TpmError } from "./TpmError.ts"

/** The public side of an attestation key, as it travels. */
export interface AttestationKeyBytes {
  /** TPM2B_PUBLIC (TPM 2.0 part 2, 12.2.5). */
  readonly public: Uint8Array
  /** The Name as the TPM computed it, 34 bytes. */
  readonly name: Uint8Array
}

/** What the TPM says of an NV index (TPMS_NV_PUBLIC, TPM 2.0 part 2, 13.5). */
export interface NvPublic {
  readonly index: number
  /** Bytes. */
  readonly size: number
  /** TPMA_NV (part 2, 13.4). */
  readonly attributes: number
  readonly written: boolean
}

/** Properties of the TPM (TPM_PT, TPM 2.0 part 2, 6.13). */
export interface TpmLimits {
  /** TPM_PT_NV_BUFFER_MAX: most bytes of one NV read or write. */
  readonly nvBufferMax: number
  /** TPM_PT_NV_INDEX_MAX: most bytes of one NV index. */
  readonly nvIndexMax: number
  readonly manufacturer: string
  readonly inLockout: boolean
}

/**
 * The TPM of this machine, as far as Patela uses it. Calls are made one after another. Keys are deterministic
 * primary keys of the endorsement hierarchy: the same after every boot, and nothing is left in the TPM.
 */
export class Tpm extends Context.Service<Tpm, {
  /**
   * The endorsement key's TPM2B_PUBLIC: of the kind that the vendor certified, P-256 where none (chooseEndorsementKey), unless
   * `useEndorsementKey` named another.
   */
  readonly endorsementKey: Effect.Effect<Uint8Array, TpmError>
  /** Has all that follows be done with the endorsement key of this kind, whatever certificates there are. */
  readonly useEndorsementKey: (kind: EndorsementKeyKind) => Effect.Effect<void>
  readonly attestationKey: Effect.Effect<AttestationKeyBytes, TpmError>
  /** Opens a credential (TPM 2.0 part 3, 12.5). One made for another TPM or key, or changed on its way, is TpmRefused. */
  readonly activateCredential: (
    credential: Credential
  ) => Effect.Effect<Redacted.Redacted<Uint8Array>, TpmError | MalformedStructure>
  /**
   * What the attestation key says of PCRs (TPM 2.0 part 3, 18.4). `nonce` is at most 32 bytes. A bank that the TPM has
   * not allocated is quoted without a PCR: who verifies must look which there are.
   */
  readonly quote: (nonce: Uint8Array, selection: PcrSelection) => Effect.Effect<Quoted, TpmError>
  /** The PCRs as they are (part 3, 22.4), without proof. Those of a bank that is not allocated are missing. */
  readonly pcrRead: (selection: PcrSelection) => Effect.Effect<ReadonlyMap<number, Uint8Array>, TpmError>
  /**
   * Bytes of an NV index of the owner, or of one that is bound to the image policy, from `offset`; `size` undefined is all that follow. Any size: the
   * transport splits what is over NV_BUFFER_MAX.
   */
  readonly nvRead: (
    index: number,
    offset: number,
    size?: number
  ) => Effect.Effect<Uint8Array, TpmError | NvIndexAbsent | NvIndexUnwritten>
  readonly nvWrite: (
    index: number,
    offset: number,
    data: Redacted.Redacted<Uint8Array>
  ) => Effect.Effect<void, TpmError | NvIndexAbsent>
  /** The attributes that an index gets which is defined now: the owner's, or bound to the image policy (nvAttributes.ts). */
  readonly nvAttributes: Effect.Effect<number, TpmError>
  /**
   * The PCRs by which indexes that are bound open in this boot, with their values: those of the approval that they meet.
   * TpmPolicyUnmet where there is none.
   */
  readonly imagePcrs: Effect.Effect<ReadonlyMap<number, Uint8Array>, TpmError>
  readonly nvDefine: (index: number, size: number) => Effect.Effect<void, TpmError | NvSpaceExhausted>
  readonly nvUndefine: (index: number) => Effect.Effect<void, TpmError | NvIndexAbsent>
  /** Every NV index that is defined, Patela's or not. */
  readonly nvPublics: Effect.Effect<ReadonlyArray<NvPublic>, TpmError>
  readonly limits: Effect.Effect<TpmLimits, TpmError>
  readonly persistentHandles: Effect.Effect<ReadonlyArray<number>, TpmError>
  /** Removes a persistent object (TPM 2.0 part 3, 28.5); for machines that an older Patela left one on. */
  readonly evictPersistent: (handle: number) => Effect.Effect<void, TpmError>
}>()("@patela/tpm/transport/Tpm") {}
