import { writeFileSync } from "node:fs"
import { bundledScript } from "../packages/agent/src/start/BundledScript.ts"

/**
 * `record.cjs BUNDLE KEPT ARGUMENTS...`: runs a bundled program with these arguments, and at its end keeps the code of all
 * functions that it called, and of those whose code was kept before.
 */
const [node = "", , bundle = "", kept = "", ...args] = process.argv
const { run, script } = bundledScript(bundle, kept)
process.argv = [node, bundle, ...args]
// It is to go as far as root's would; what this user may not read, it goes on without.
process.geteuid = () => 0
process.once("exit", () => writeFileSync(kept, script.createCachedData()))
run()
