import { Effect } from "effect"
import { quietStart } from "./quietStart.ts"

/**
 * Loads biscuit-wasm, once, for commands that make few calls; see `renewedBiscuit` for a server's. Node warns that
 * importing WebAssembly is experimental: that is kept back while it loads, and nothing else is.
 */
export const loadBiscuit = Effect.runSync(Effect.cached(Effect.promise(async () => {
  const emitWarning = process.emitWarning
  process.emitWarning = (warning: string | Error, ...rest: ReadonlyArray<unknown>) => {
    if (!String(warning).includes("WebAssembly")) Reflect.apply(emitWarning, process, [warning, ...rest])
  }
  using _quiet = quietStart()
  try {
    return await import("@biscuit-auth/biscuit-wasm")
  } finally {
    process.emitWarning = emitWarning
  }
})))
