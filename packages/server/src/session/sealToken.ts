import { type AuthRequest, sealedWith } from "@patela/domain/api/PublicApi"
import { makeCredential } from "@patela/tpm/credential/makeCredential"
import { sealUnder } from "@patela/tpm/credential/sealedUnder"
import { toHex } from "@patela/tpm/structures/Hex"
import type { TpmtPublic } from "@patela/tpm/structures/TpmtPublic"
import { Effect, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { CHALLENGE_LIFE } from "./lifetimes.ts"

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
export const sealToken = Effect.fnUntraced(function*(input: {
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
  const token = Redacted.make<Uint8Array>(Buffer.from(Redacted.value(input.token), "utf8"))
  const sealed = sealUnder(key, token, sealedWith({ challenge, expires_at }, input.request))
  key.fill(0)
  return { challenge, blob: toHex(blob), secret: toHex(secret), token: toHex(sealed), expires_at }
})
