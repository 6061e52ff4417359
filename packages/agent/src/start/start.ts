import { bundledScript } from "./BundledScript.ts"

/** Where the packaged agent begins. Code for a Node without a compiler is other code. */
declare const BUNDLE: string

const kept = `${import.meta.dirname}/${BUNDLE}`
bundledScript(`${kept}.cjs`, `${kept}.${process.execArgv.includes("--jitless") ? "jitless" : "compiled"}`).run()
