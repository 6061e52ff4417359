import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync, writeFileSync } from "node:fs"
import { bundle } from "../../scripts/package.ts"
import { packagedAgent } from "../src/mission/packagedAgent.ts"
import { runOk } from "../src/rig/Command.ts"
import { repositoryRoot } from "../src/rig/Repository.ts"
import { TemporaryDirectory } from "../src/rig/TemporaryDirectory.ts"

const modes = [{ flags: [], kept: "compiled" }, { flags: ["--jitless"], kept: "jitless" }]

/** Says whether V8 refused the code that was kept for a bundle. */
const PROBE = `import { bundledScript } from "${repositoryRoot}/packages/agent/src/start/BundledScript.ts"
const [, , bundle = "", kept = ""] = process.argv
process.stdout.write(String(bundledScript(bundle, kept).script.cachedDataRejected))
`

describe("the packaged agent", () => {
  it.effect.each(modes)(
    "V8 takes the code that was compiled beforehand: $kept",
    ({ flags, kept }) =>
      Effect.gen(function*() {
        const home = yield* packagedAgent
        const folder = yield* TemporaryDirectory.make("packaged")
        writeFileSync(`${folder}/probe.ts`, PROBE)
        yield* bundle(`${folder}/probe.ts`, `${folder}/probe.cjs`)
        const text = readdirSync(home).find((name) => /^agent-[0-9a-f]{12}\.cjs$/.test(name)) ?? ""
        const code = `${home}/${text.replace(/cjs$/, kept)}`
        const answer = yield* runOk([`${home}/node`, ...flags, `${folder}/probe.cjs`, `${home}/${text}`, code])
        assert.strictEqual(answer, "false")
      }).pipe(Effect.scoped)
  )

  it.effect.each(modes)(
    "runs without that code, or with damaged code: $kept",
    ({ flags, kept }) =>
      Effect.gen(function*() {
        const home = yield* packagedAgent
        const folder = yield* TemporaryDirectory.make("packaged")
        const text = readdirSync(home).find((name) => /^agent-[0-9a-f]{12}\.cjs$/.test(name)) ?? ""
        yield* runOk(["cp", `${home}/${text}`, `${home}/patela-agent.cjs`, folder])
        const version = runOk([`${home}/node`, ...flags, `${folder}/patela-agent.cjs`, "--version"])
        assert.match(yield* version, /^patela-agent v/)
        writeFileSync(`${folder}/${text.replace(/cjs$/, kept)}`, "no code")
        assert.match(yield* version, /^patela-agent v/)
      }).pipe(Effect.scoped)
  )
})
