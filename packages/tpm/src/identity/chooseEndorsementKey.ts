import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"

/** The NV index where a TPM keeps the certificate of an endorsement key (TCG EK Credential Profile 2.5, 2.2.1.4). */
export const certificateIndexes: Readonly<Record<EndorsementKeyKind, number>> = {
  "ecc-p256": 0x01c0_000a,
  "ecc-p384": 0x01c0_0016,
  "rsa-2048": 0x01c0_0002
}

/** The lowest of them: certificates, and what belongs to endorsement keys, are from here on. */
export const FIRST_CERTIFICATE_INDEX = 0x01c0_0002

/** Which key is used where several have a certificate: that of the fastest. */
const PREFERRED: ReadonlyArray<EndorsementKeyKind> = ["ecc-p256", "ecc-p384", "rsa-2048"]

/**
 * The endorsement key that a machine goes by: the first of P-256, P-384, RSA-2048 that its vendor certified, P-256 where none
 * is. `written` are the NV indexes that hold something. The same TPM so gives the same key at every boot. Pure.
 */
export const chooseEndorsementKey = (written: ReadonlyArray<number>): EndorsementKeyKind =>
  PREFERRED.find((kind) => written.includes(certificateIndexes[kind])) ?? "ecc-p256"
