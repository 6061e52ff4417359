import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { BootSelection } from "../attestation/BootEvidence.ts"
import { HexText } from "./HexText.ts"
import {
  IdentityRefused,
  NodeNotEnabled,
  OtherEndorsementKey,
  ProofRefused,
  TierTooLow,
  TooManyRequests,
  WaitingListFull
} from "./Problems.ts"
import { Proof, type ProvedKeys } from "./Proof.ts"

/** A certificate, DER as hex: those of endorsement keys and their issuers have one to two KiB. */
const CertificateText = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^(?:[0-9a-fA-F]{2})+$/, { message: "expected hexadecimal digits, two for each byte" }),
    Schema.isMaxLength(8192)
  )
)

/** Who asks: the public areas as TPM2B_PUBLIC (TPM 2.0 part 2, 12.2.5) and the Name of the AK (part 1, 16), in hex. */
const keyFields = { ek_public: HexText, ak_public: HexText, ak_name: HexText }

/** With the certificate of the endorsement key where the TPM has one, and then those between it and a vendor's root. */
export const AuthRequest = Schema.Struct({
  ...keyFields,
  ek_certificates: Schema.optionalKey(Schema.Array(CertificateText).pipe(Schema.check(Schema.isMaxLength(5))))
})
export type AuthRequest = typeof AuthRequest.Type

/** A waiting machine's proof, with the keys that it is about. */
export const ProofRequest = Schema.Struct({ ...keyFields, ...Proof.fields })
export type ProofRequest = typeof ProofRequest.Type

/**
 * The challenge. `blob` is a TPM2B_ID_OBJECT and `secret` a TPM2B_ENCRYPTED_SECRET (TPM 2.0 part 1, 24): activating
 * them gives a 32-byte key. `token` is the Biscuit under that key, AES-256-GCM as nonce (12 bytes) || ciphertext || tag
 * (16 bytes), with `sealedWith` as associated data. `expires_at` is the challenge's end in Unix seconds by the server's
 * clock: until then the token must have been used once. `token_life` is how long the token is good for, in seconds from
 * this answer on: what a node counts by, for its clock may be anything. `boot`, where it is there, are the PCRs that the
 * session is to show first, by POST /private/evidence.
 */
const challengeFields = {
  challenge: HexText,
  blob: HexText,
  secret: HexText,
  token: HexText,
  expires_at: Schema.Int,
  token_life: Schema.Int,
  boot: Schema.optionalKey(BootSelection)
}

/** 201: this node never authenticated before. */
export const FirstChallenge = Schema.Struct({ ...challengeFields, first: Schema.Literal(true) }).pipe(
  HttpApiSchema.status(201)
)

/** 200: a node that authenticated before. */
export const ReturningChallenge = Schema.Struct({ ...challengeFields, first: Schema.Literal(false) })

export type Challenge = typeof FirstChallenge.Type | typeof ReturningChallenge.Type

/**
 * The associated data that binds a sealed token to its challenge, keys and expiry: the UTF-8 bytes of this text.
 * Server and agent both make it from what they hold themselves, never from the other's word alone.
 */
export const sealedWith = (
  challenge: { readonly challenge: string; readonly expires_at: number },
  request: ProvedKeys
): string =>
  ["patela challenge v1", challenge.challenge, request.ek_public, request.ak_public, request.ak_name]
    .map((part) => part.toLowerCase())
    .concat(String(challenge.expires_at))
    .join("\n")

export class PublicApi extends HttpApiGroup.make("public").add(
  HttpApiEndpoint.post("proof", "/proof", {
    payload: ProofRequest,
    success: HttpApiSchema.NoContent,
    error: [IdentityRefused, ProofRefused, TooManyRequests]
  }),
  HttpApiEndpoint.post("auth", "/auth", {
    payload: AuthRequest,
    success: [FirstChallenge, ReturningChallenge],
    error: [NodeNotEnabled, OtherEndorsementKey, TierTooLow, IdentityRefused, WaitingListFull, TooManyRequests]
  })
).prefix("/public") {}
