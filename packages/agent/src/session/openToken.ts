import { type AuthRequest, type Challenge, sealedWith } from "@patela/domain/api/PublicApi"
import { Effect, Redacted, Schema } from "effect"
import { createDecipheriv } from "node:crypto"

/** The token in a challenge cannot be opened: it was not made for this machine and these keys, or it was altered. */
export class TokenNotOpened extends Schema.TaggedError<TokenNotOpened>()("TokenNotOpened", {
  message: Schema.String
}) {}

const NONCE = 12
const TAG = 16
const KEY = 32

/**
 * Opens the sealed Biscuit of a challenge with the key that activating the credential gave: AES-256-GCM
 * (NIST SP 800-38D), nonce || ciphertext || tag, bound to the challenge, its expiry and the keys that we sent.
 */
export const openToken = Effect.fn("openToken")(function*(
  challenge: Challenge,
  request: AuthRequest,
  key: Redacted.Redacted<Uint8Array>
) {
  const sealed = Buffer.from(challenge.token, "hex")
  if (sealed.length <= NONCE + TAG) return yield* notOpened("its token is too short")
  if (Redacted.value(key).length !== KEY) return yield* notOpened("its credential does not hold a key of 32 bytes")
  return yield* Effect.try({
    try: () => {
      const decipher = createDecipheriv("aes-256-gcm", Redacted.value(key), sealed.subarray(0, NONCE))
      decipher.setAAD(Buffer.from(sealedWith(challenge, request), "utf8"))
      decipher.setAuthTag(sealed.subarray(-TAG))
      const text = Buffer.concat([decipher.update(sealed.subarray(NONCE, -TAG)), decipher.final()])
      return Redacted.make(text.toString("utf8"), { label: "Biscuit" })
    },
    catch: () => notOpened("its token does not belong to its credential, its expiry or our keys")
  })
})

const notOpened = (why: string): TokenNotOpened =>
  new TokenNotOpened({
    message: `the server's challenge is refused: ${why}. Something between this node and the server may be altering it`
  })
