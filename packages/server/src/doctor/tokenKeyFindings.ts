import { Config, Effect, FileSystem, Option, Redacted } from "effect"
import { TokenKey } from "../session/TokenKey.ts"
import { type Finding, fine, wrong } from "./Finding.ts"
import { modeFinding } from "./modeFinding.ts"

const CHECK = "token key"

/** Whether the key that signs tokens, and those of before, can be used, and who else may read their files. */
export const tokenKeyFindings = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const findings: Array<Finding> = []
  for (const variable of ["PATELA_BISCUIT_KEY", "PATELA_BISCUIT_OLD_KEYS"]) {
    const setting = yield* Effect.orDie(Config.option(Config.Redacted(variable)))
    const written = Option.match(setting, { onNone: () => "", onSome: Redacted.value })
    for (const part of written.split(",").map((one) => one.trim())) {
      // What is no `file:` is the key itself.
      if (!part.startsWith("file:")) continue
      const path = part.slice("file:".length)
      const mode = yield* Effect.option(fs.stat(path))
      if (Option.isSome(mode)) findings.push(modeFinding(CHECK, path, mode.value.mode, "secret"))
    }
  }
  const usable = yield* TokenKey.pipe(
    Effect.map(({ old }) =>
      fine(CHECK, old.length === 0 ? "it can be used" : `it and ${old.length} of before can be used`)
    ),
    Effect.provide(TokenKey.layer),
    Effect.catchTag(
      "TokenKeyRefused",
      ({ message }) => Effect.succeed(wrong(CHECK, message, "The server does not start before"))
    )
  )
  return [usable, ...findings]
})
