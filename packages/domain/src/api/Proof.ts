import { Schema } from "effect"
import { HexText } from "./HexText.ts"

/**
 * Asks a waiting machine to prove that it holds the keys that it names. `blob` is a TPM2B_ID_OBJECT and `secret` a
 * TPM2B_ENCRYPTED_SECRET (TPM 2.0 part 1, 24): activating them gives 32 bytes, the key of the proof.
 */
export const ProofChallenge = Schema.Struct({ challenge: HexText, blob: HexText, secret: HexText })
export type ProofChallenge = typeof ProofChallenge.Type

/** The proof itself: HMAC-SHA256 under that key over `provedWith`, as hex. */
export const Proof = Schema.Struct({
  challenge: HexText,
  mac: Schema.String.pipe(
    Schema.check(Schema.isPattern(/^[0-9a-fA-F]{64}$/, { message: "expected 64 hexadecimal digits" }))
  )
})

/** The keys that are proved: those of the request that was answered with the challenge. */
export interface ProvedKeys {
  readonly ek_public: string
  readonly ak_public: string
  readonly ak_name: string
}

/**
 * What the MAC is over: the UTF-8 bytes of this text. It begins otherwise than what a token is sealed with, so neither
 * can stand in for the other.
 */
export const provedWith = (challenge: string, keys: ProvedKeys): string =>
  ["patela proof v1", challenge, keys.ek_public, keys.ak_public, keys.ak_name]
    .map((part) => part.toLowerCase())
    .join("\n")
