import { type AuthRequest, sealedWith } from "@patela/domain/api/PublicApi"
import { makeCredential } from "@patela/tpm/credential/makeCredential"
import { toHex } from "@patela/tpm/structures/Hex"
import type { TpmtPublic } from "@patela/tpm/structures/TpmtPublic"
import { Effect, Redacted } from "effect"
import { createCipheriv, createSecretKey, randomBytes } from "node:crypto"
import { CHALLENGE_LIFE } from "./lifetimes.ts"

/** AES-256-GCM as NIST SP 800-38D recommends it: a nonce of 96 bits, used once, for the key is new each time. */
const NONCE_BYTES = 12

const bytesOf = (text: string) => Buffer.from(text, "utf8")

/** What `PublicApi` answers, without the word whether it is the first. */
export interface SealedToken {
  readonly challenge: string
  readonly blob: string
  readonly secret: string
  readonly token: string
  readonly expires_at: number
}

/**
 * Seals a token to one TPM: a new 32-byte key wrapped by TPM2_MakeCredential (TPM 2.0 part 1, 24), the token under that
 * key, and the challenge, the keys of the request and the expiry as associated data.
 */
export const sealToken = Effect.fn("sealToken")(function*(input: {
  readonly token: Redacted.Redacted<string>
  /** The challenge that the token names, 32 hexadecimal digits, and when it was made, in Unix milliseconds. */
  readonly challenge: string
  readonly made: number
  readonly request: AuthRequest
  readonly endorsementKey: TpmtPublic
  readonly akName: Uint8Array
}) {
  const key = randomBytes(32)
  const { blob, secret } = yield* makeCredential({
    endorsementKey: input.endorsementKey,
    akName: input.akName,
    credential: key
  })
  const { challenge } = input
  const expires_at = Math.floor((input.made + CHALLENGE_LIFE) / 1000)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv("aes-256-gcm", createSecretKey(key), nonce)
  cipher.setAAD(bytesOf(sealedWith({ challenge, expires_at }, input.request)))
  const sealed = Buffer.concat([
    nonce,
    cipher.update(bytesOf(Redacted.value(input.token))),
    cipher.final(),
    cipher.getAuthTag()
  ])
  key.fill(0)
  return { challenge, blob: toHex(blob), secret: toHex(secret), token: toHex(sealed), expires_at }
})
