import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { eventually } from "../../packages/server/test/rig/eventually.ts"
import { httpsEvents } from "../../packages/server/test/rig/httpsEvents.ts"
import { launchedWith } from "../../packages/server/test/rig/launchedWith.ts"
import { runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import { temporaryDirectory } from "../../packages/server/test/rig/temporaryDirectory.ts"
import { packageServer } from "../../scripts/packageServer.ts"

const MAIN = fileURLToPath(new URL("../../packages/server/src/main.ts", import.meta.url))

describe("the packaged server", () => {
  it.live("serves a node, started as the sources are", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      yield* packageServer(folder)
      assert.match(execFileSync(`${folder}/patela`, ["--version"], { encoding: "utf8" }), /^patela v/)

      const { ask, enrolled, pem, server } = yield* runningPatelaWith({}, {
        command: [`${folder}/patela`],
        variables: {}
      })
      const { token } = yield* enrolled
      const specs = {
        n_cpus: 2,
        memory: 4 * 1024 ** 3,
        cpu_name: "cpu",
        hostname: "h",
        kernel: "6",
        agent_version: "0"
      }
      assert.strictEqual((yield* ask("/private/specs", JSON.stringify(specs), token)).status, 200)
      const { text } = yield* httpsEvents({ port: server.port, ca: pem, token })
      yield* eventually("the first event", () => text().startsWith("event: config\n"), 30_000)

      const { flags, variables } = launchedWith(MAIN)
      assert.isAbove(flags.length * Object.keys(variables).length, 0)
      const command = readFileSync(`/proc/${server.pid}/cmdline`, "utf8").split("\0")
      assert.includeMembers(command, [`${folder}/node`, ...flags])
      const environment = readFileSync(`/proc/${server.pid}/environ`, "utf8").split("\0")
      assert.includeMembers(environment, Object.entries(variables).map(([name, value]) => `${name}=${value}`))
      assert.strictEqual(yield* server.stop, 0)
    }), 120_000)
})
