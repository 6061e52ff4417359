import { RESOLVER_FILE } from "@patela/domain/torrc/ManagedLines"
import { Context, Effect, Layer } from "effect"
import * as fs from "node:fs/promises"
import { dirname } from "node:path"
import { FileNotWritten, ReplaceFile } from "../host/ReplaceFile.ts"
import { causeText } from "../host/SystemError.ts"
import { RESOLVER_MODE } from "./ResolverFile.ts"

/** Writes Patela's file of name servers, and its directory where there is none. */
export class ResolverWriter extends Context.Service<ResolverWriter, {
  readonly write: (content: string) => Effect.Effect<void, FileNotWritten>
  readonly remove: Effect.Effect<void, FileNotWritten>
}>()("@patela/reconcilers/resolver/ResolverWriter") {
  static readonly layer: Layer.Layer<ResolverWriter, never, ReplaceFile> = Layer.effect(
    ResolverWriter,
    Effect.gen(function*() {
      const files = yield* ReplaceFile
      const path = RESOLVER_FILE
      const attempt = (what: string, work: () => Promise<unknown>) =>
        Effect.tryPromise({
          try: work,
          catch: (cause) => new FileNotWritten({ path, message: `cannot ${what} ${path}: ${causeText(cause)}` })
        })
      return ResolverWriter.of({
        write: Effect.fn("ResolverWriter.write")(function*(content) {
          yield* attempt("make the directory of", () => fs.mkdir(dirname(path), { recursive: true, mode: 0o755 }))
          yield* files.replace({ path, content, mode: RESOLVER_MODE, uid: 0, gid: 0 })
        }),
        remove: attempt("remove", () => fs.rm(path, { force: true })).pipe(
          Effect.asVoid,
          Effect.withSpan("ResolverWriter.remove")
        )
      })
    })
  )
}
