import { type AuthRequest, type Challenge, sealedWith } from "@patela/domain/api/PublicApi"
import { openUnder } from "@patela/tpm/credential/sealedUnder"
import { Effect, Option, Redacted, Schema } from "effect"

/** The token in a challenge cannot be opened: it was not made for this machine and these keys, or it was altered. */
export class TokenNotOpened extends Schema.TaggedError<TokenNotOpened>()("TokenNotOpened", {
  message: Schema.String
}) {}

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
  if (Redacted.value(key).length !== KEY) return yield* notOpened("its credential does not hold a key of 32 bytes")
  const opened = openUnder(key, sealed, sealedWith(challenge, request))
  if (Option.isNone(opened)) {
    return yield* notOpened("its token does not belong to its credential, its expiry or our keys")
  }
  const text = Buffer.from(Redacted.value(opened.value)).toString("utf8")
  return Redacted.make(text, { label: "Biscuit" })
})

const notOpened = (why: string): TokenNotOpened =>
  new TokenNotOpened({
    message: `the server's challenge is refused: ${why}. Something between this node and the server may be altering it`
  })
