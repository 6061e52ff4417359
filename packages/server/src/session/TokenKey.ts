import { Config, Context, Effect, FileSystem, Layer, Option, Redacted, Schema } from "effect"
import { loadBiscuit } from "./biscuitModule.ts"

/** The key that signs tokens is missing or is none. The message never holds it. */
export class TokenKeyRefused extends Schema.TaggedError<TokenKeyRefused>()("TokenKeyRefused", {
  message: Schema.String
}) {}

const ADVICE = "Make one with `patela keygen --out FILE` and set PATELA_BISCUIT_KEY=file:FILE"

const WRITTEN = /^ed25519-private\/[0-9a-f]{64}$/

const fromSetting = Effect.fnUntraced(function*(setting: Redacted.Redacted<string>) {
  const value = Redacted.value(setting).trim()
  if (!value.startsWith("file:")) return value
  const path = value.slice("file:".length)
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(path).pipe(
    Effect.mapError(({ reason }) =>
      new TokenKeyRefused({
        message: `PATELA_BISCUIT_KEY names the file ${path}, which cannot be read: ${reason._tag}`
      })
    )
  )
  return text.trim()
})

/**
 * The server's Ed25519 private key in biscuit's own text form, `ed25519-private/` and 64 hex digits. Whoever has it can
 * make tokens for any node.
 */
export class TokenKey extends Context.Service<TokenKey, {
  readonly private: Redacted.Redacted<string>
}>()("@patela/server/session/TokenKey") {
  /** PATELA_BISCUIT_KEY: the key itself, or `file:PATH` of a file that holds it. */
  static readonly layer = Layer.effect(
    TokenKey,
    Effect.gen(function*() {
      const setting = yield* Effect.orDie(Config.option(Config.Redacted("PATELA_BISCUIT_KEY")))
      if (Option.isNone(setting) || Redacted.value(setting.value) === "") {
        return yield* new TokenKeyRefused({ message: `PATELA_BISCUIT_KEY is not set. ${ADVICE}` })
      }
      const text = yield* fromSetting(setting.value)
      if (!WRITTEN.test(text)) {
        return yield* new TokenKeyRefused({
          message: `PATELA_BISCUIT_KEY is no key: it is ed25519-private/ and 64 hexadecimal digits. ${ADVICE}`
        })
      }
      return TokenKey.of({ private: Redacted.make(text, { label: "token key" }) })
    })
  )
}

/** A new key, in the form that PATELA_BISCUIT_KEY takes. */
export const newTokenKey: Effect.Effect<Redacted.Redacted<string>> = Effect.map(loadBiscuit, (biscuit) => {
  const pair = new biscuit.KeyPair(biscuit.SignatureAlgorithm.Ed25519)
  return Redacted.make(pair.getPrivateKey().toString(), { label: "token key" })
})
