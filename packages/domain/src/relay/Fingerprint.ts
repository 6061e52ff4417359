import { Schema } from "effect"

/** SHA-1 of the relay's RSA identity key in DER, as 40 upper-case hexadecimal digits (tor-spec, "relay identity"). */
export const RsaFingerprint = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9A-F]{40}$/, { message: "an RSA fingerprint is 40 upper-case hex digits" })),
  Schema.brand("RsaFingerprint")
)
export type RsaFingerprint = typeof RsaFingerprint.Type

/** The relay's ed25519 master identity, as base64 with no padding: 43 characters (tor file `fingerprint-ed25519`). */
export const Ed25519Fingerprint = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^[0-9A-Za-z+/]{43}$/, { message: "an ed25519 fingerprint is 43 base64 characters" })
  ),
  Schema.brand("Ed25519Fingerprint")
)
export type Ed25519Fingerprint = typeof Ed25519Fingerprint.Type

/** Both public identities of a relay. */
export const Fingerprints = Schema.Struct({ rsa: RsaFingerprint, ed25519: Ed25519Fingerprint })
export type Fingerprints = typeof Fingerprints.Type
