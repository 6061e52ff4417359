import { Config, Context, Effect, FileSystem, Layer, Option, Redacted, Schema } from "effect"
import { randomBytes } from "node:crypto"

/** The key that signs tokens is missing or is none. The message never holds it. */
export class TokenKeyRefused extends Schema.TaggedError<TokenKeyRefused>()("TokenKeyRefused", {
  message: Schema.String
}) {}

const ADVICE = "Make one with `patela keygen --out FILE` and set PATELA_BISCUIT_KEY=file:FILE"

const WRITTEN = /^ed25519-private\/[0-9a-f]{64}$/

/** A private key, or the public key of one: an old key only has to verify. */
const OLD = /^ed25519(?:-private)?\/[0-9a-f]{64}$/

const fromSetting = Effect.fnUntraced(function*(variable: string, setting: string) {
  const value = setting.trim()
  if (!value.startsWith("file:")) return value
  const path = value.slice("file:".length)
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(path).pipe(
    Effect.mapError(({ reason }) =>
      new TokenKeyRefused({
        message: `${variable} names the file ${path}, which cannot be read: ${reason._tag}`
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
  /** Keys of before, private or public (`ed25519/` and 64 digits): sessions of their tokens go on, and none begins. */
  readonly old: ReadonlyArray<Redacted.Redacted<string>>
}>()("@patela/server/session/TokenKey") {
  /**
   * PATELA_BISCUIT_KEY: the key itself, or `file:PATH` of a file that holds it. PATELA_BISCUIT_OLD_KEYS: any number of
   * such, with commas between.
   */
  static readonly layer = Layer.effect(
    TokenKey,
    Effect.gen(function*() {
      const setting = yield* Effect.orDie(Config.option(Config.Redacted("PATELA_BISCUIT_KEY")))
      if (Option.isNone(setting) || Redacted.value(setting.value) === "") {
        return yield* new TokenKeyRefused({ message: `PATELA_BISCUIT_KEY is not set. ${ADVICE}` })
      }
      const text = yield* fromSetting("PATELA_BISCUIT_KEY", Redacted.value(setting.value))
      if (!WRITTEN.test(text)) {
        return yield* new TokenKeyRefused({
          message: `PATELA_BISCUIT_KEY is no key: it is ed25519-private/ and 64 hexadecimal digits. ${ADVICE}`
        })
      }
      return TokenKey.of({ private: secret(text), old: yield* oldKeys })
    })
  )
}

const secret = (text: string) => Redacted.make(text, { label: "token key" })

const oldKeys = Effect.gen(function*() {
  const setting = yield* Effect.orDie(Config.option(Config.Redacted("PATELA_BISCUIT_OLD_KEYS")))
  const written = Option.isNone(setting) ? [] : Redacted.value(setting.value).split(",").map((part) => part.trim())
  return yield* Effect.forEach(written.filter((part) => part !== ""), (part, index) =>
    Effect.gen(function*() {
      const text = yield* fromSetting("PATELA_BISCUIT_OLD_KEYS", part)
      if (OLD.test(text)) return secret(text)
      return yield* new TokenKeyRefused({
        message: `PATELA_BISCUIT_OLD_KEYS, key ${index + 1}, is no key: each is what PATELA_BISCUIT_KEY was, or ` +
          "ed25519/ and 64 hexadecimal digits for its public key. Leave the variable out to end all sessions"
      })
    }))
})

/** A new key, in the form that PATELA_BISCUIT_KEY takes: a seed of Ed25519 is 32 random bytes (RFC 8032, section 5.1.5). */
export const newTokenKey: Effect.Effect<Redacted.Redacted<string>> = Effect.sync(() =>
  secret(`ed25519-private/${randomBytes(32).toString("hex")}`)
)
