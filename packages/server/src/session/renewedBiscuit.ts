import type * as Biscuits from "@biscuit-auth/biscuit-wasm"
import { Effect, type Scope } from "effect"
import { readFile } from "node:fs/promises"
import { quietStart } from "./quietStart.ts"

/** What biscuit-wasm offers. */
type BiscuitApi = typeof Biscuits

/** What stands between the module and its callers, made by wasm-bindgen. It speaks to the instance that it was given last. */
type Glue = BiscuitApi & { readonly __wbg_set_wasm: (exports: WebAssembly.Exports) => void }

interface Exports {
  readonly memory: WebAssembly.Memory
  readonly __wbindgen_start: () => void
}

/** How far the memory of an instance grows before it is replaced, in bytes: some hundred authentications. */
const MOST_GROWTH = 3 * 1024 * 1024

/**
 * biscuit-wasm in an instance that is replaced when its memory has grown. All calls are synchronous, so none is under way
 * then. What is kept between calls has to be freed before: its pointers mean nothing in another instance.
 */
export interface RenewedBiscuit {
  readonly biscuit: BiscuitApi
  /** Replaces the instance where that is due. For the beginning of a piece of work, before it makes objects. */
  readonly renewWhenGrown: () => void
  /** Has the caller free what it keeps, before each replacement and at the end of the scope. */
  readonly keeping: (free: () => void) => Effect.Effect<void, never, Scope.Scope>
  /** Memory of the instance, in bytes. */
  readonly size: () => number
}

const isExports = (exports: WebAssembly.Exports): exports is WebAssembly.Exports & Exports =>
  exports["memory"] instanceof WebAssembly.Memory && typeof exports["__wbindgen_start"] === "function"

const load = async (): Promise<RenewedBiscuit> => {
  const home = import.meta.resolve("@biscuit-auth/biscuit-wasm")
  const at = (path: string) => new URL(path, home).href
  // Another copy than the package's own, which speaks to the package's own instance for ever.
  const glue: Glue = await import(`${at("biscuit_bg.js")}?renewed`)
  const module = await WebAssembly.compile(await readFile(new URL(at("biscuit_bg.wasm"))))
  const imports: WebAssembly.Imports = {}
  for (const { module: name } of WebAssembly.Module.imports(module)) {
    imports[name] ??= { ...name === "./biscuit_bg.js" ? glue : await import(at(name)) }
  }
  const start = (): Exports => {
    const { exports } = new WebAssembly.Instance(module, imports)
    if (!isExports(exports)) throw new TypeError("biscuit_bg.wasm has not the exports of wasm-bindgen")
    glue.__wbg_set_wasm(exports)
    using _quiet = quietStart()
    exports.__wbindgen_start()
    return exports
  }
  let current = start()
  const size = () => current.memory.buffer.byteLength
  const first = size()
  const keepers = new Set<() => void>()
  return {
    biscuit: glue,
    size,
    renewWhenGrown: () => {
      if (size() < first + MOST_GROWTH) return
      for (const free of keepers) free()
      // Detaches the buffer that the glue has views of, so that it makes new ones (WebAssembly JavaScript API, 5.3).
      current.memory.grow(0)
      current = start()
    },
    keeping: (free) =>
      Effect.acquireRelease(
        Effect.sync(() => keepers.add(free)),
        () =>
          Effect.sync(() => {
            keepers.delete(free)
            free()
          })
      )
  }
}

/**
 * Loads it, once for the process. The allocator in biscuit-wasm, wee_alloc, does not give back most of what was freed: a
 * token costs some 20 KB for good, and after a few thousand of them each call takes three times as long
 * (docs/decisions/0051-a-module-that-leaks.md).
 */
export const renewedBiscuit: Effect.Effect<RenewedBiscuit> = Effect.runSync(Effect.cached(Effect.promise(load)))
