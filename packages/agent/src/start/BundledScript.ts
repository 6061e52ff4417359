import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname } from "node:path"
import { constants, Script } from "node:vm"

/** A program in one file of CommonJS, and where the code that was compiled for it beforehand is kept. */
export interface BundledScript {
  readonly script: Script
  /** Runs the program, with what a module of Node has. */
  readonly run: () => void
}

/**
 * Loads a bundle with the code in `kept`, which holds every function that ran when it was recorded. Node's own cache
 * (`NODE_COMPILE_CACHE`) holds what is compiled when a file is loaded, and a function is compiled when it is first called.
 *
 * V8 refuses code of another version of itself or of other flags, and is told the text's length alone: so whoever names
 * `kept` names it after the text. Where it is missing or refused, nothing but time is lost.
 */
export const bundledScript = (bundle: string, kept: string): BundledScript => {
  // esbuild writes ASCII, which takes a byte a character in memory; as UTF-8 it would be looked at first.
  const text = readFileSync(bundle, "latin1")
  const code = codeIn(kept)
  // In a function a first line for the kernel is no comment any more.
  const body = text.startsWith("#!") ? `//${text}` : text
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${body}\n})`, {
    filename: bundle,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(code === undefined ? {} : { cachedData: code })
  })
  const run = () => {
    const module = { exports: {} }
    const main: unknown = script.runInThisContext()
    if (typeof main !== "function") throw new Error(`${bundle} is no bundle of CommonJS`)
    Reflect.apply(main, module.exports, [module.exports, createRequire(bundle), module, bundle, dirname(bundle)])
  }
  return { script, run }
}

const codeIn = (path: string): Buffer | undefined => {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}
