import { Effect } from "effect"
import { quietStart } from "../../src/session/quietStart.ts"

/**
 * biscuit-wasm as the package itself loads it, and not as the server does: what it reads and makes is another's word. Node
 * warns that importing WebAssembly is experimental: that is kept back while it loads, and nothing else is.
 */
export const packageBiscuit = Effect.runSync(Effect.cached(Effect.promise(async () => {
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
