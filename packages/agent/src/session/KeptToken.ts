import { ReplaceFile } from "@patela/reconcilers/host/ReplaceFile"
import { Context, Effect, Layer, type Option, Redacted } from "effect"
import * as fs from "node:fs/promises"
import { dirname } from "node:path"

/** Where the session's token is kept between runs: root's alone, in memory, gone with the boot. */
export const TOKEN_PATH = "/run/patela/token"

/** The last session's token, where there is one. It may have expired: then the server refuses it. */
export class KeptToken extends Context.Service<KeptToken, {
  readonly read: Effect.Effect<Option.Option<Redacted.Redacted<string>>>
}>()("@patela/agent/session/KeptToken") {
  static readonly layerAt = (path: string) =>
    Layer.succeed(
      KeptToken,
      KeptToken.of({
        read: Effect.tryPromise(() => fs.readFile(path, "utf8")).pipe(
          Effect.map((text) => Redacted.make(text, { label: "Biscuit" })),
          Effect.option
        )
      })
    )

  static readonly layer = KeptToken.layerAt(TOKEN_PATH)
}

/** Keeps a new session's token for the next run; `diff` has none of this, and throws its token away. */
export const TokenKeeper = Context.Reference<{
  readonly keep: (token: Redacted.Redacted<string>) => Effect.Effect<void>
}>("@patela/agent/session/TokenKeeper", { defaultValue: () => ({ keep: () => Effect.void }) })

/** Keeps it in a file, 0600. */
export const tokenKeeperLayer = Layer.effect(
  TokenKeeper,
  Effect.map(ReplaceFile, ({ replace }) => ({
    keep: (token: Redacted.Redacted<string>) =>
      // The first run of a boot authenticates before anything else has made the directory.
      Effect.tryPromise(() => fs.mkdir(dirname(TOKEN_PATH), { recursive: true, mode: 0o700 })).pipe(
        Effect.andThen(replace({ path: TOKEN_PATH, content: Redacted.value(token), mode: 0o600, uid: 0, gid: 0 })),
        // Without it the next run asks the TPM again.
        Effect.ignore
      )
  }))
)
