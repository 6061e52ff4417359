import { Effect } from "effect"

/**
 * Loads biscuit-wasm, once. Its start prints a line to stdout, which would spoil `--json`, and Node warns that importing
 * WebAssembly is experimental: both are kept back while it loads, and nothing else is.
 */
export const loadBiscuit = Effect.runSync(Effect.cached(Effect.promise(async () => {
  const write = process.stdout.write
  const emitWarning = process.emitWarning
  const quiet: typeof process.stdout.write = (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>) =>
    String(chunk).startsWith("biscuit-wasm loading") || Reflect.apply(write, process.stdout, [chunk, ...rest])
  process.stdout.write = quiet
  process.emitWarning = (warning: string | Error, ...rest: ReadonlyArray<unknown>) => {
    if (!String(warning).includes("WebAssembly")) Reflect.apply(emitWarning, process, [warning, ...rest])
  }
  try {
    return await import("@biscuit-auth/biscuit-wasm")
  } finally {
    process.stdout.write = write
    process.emitWarning = emitWarning
  }
})))
