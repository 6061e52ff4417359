import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { performance } from "node:perf_hooks"
import { packageAgent } from "../scripts/package.ts"
import { TemporaryDirectory } from "../test/src/rig/TemporaryDirectory.ts"
import type { Bench } from "./Bench.ts"
import { below, median, plain } from "./Row.ts"

const RUNS = 21

/** How long the packaged agent takes to say its version, and how large its bundle is. */
export const bundle: Bench = {
  names: ["agent.bundle_start_ms", "agent.bundle_kib"],
  needsRoot: false,
  run: () =>
    Effect.gen(function*() {
      const folder = yield* TemporaryDirectory.make("bundle")
      const { bundleBytes } = yield* packageAgent(folder)
      const times = yield* Effect.sync(() =>
        Array.from({ length: RUNS }, () => {
          const began = performance.now()
          spawnSync(`${folder}/node`, [`${folder}/patela-agent.cjs`, "--version"], { env: {} })
          return performance.now() - began
        })
      )
      // The first run reads the files from the disk.
      return [
        below("agent.bundle_start_ms", median(times.slice(1)), "ms", 130),
        plain("agent.bundle_kib", bundleBytes / 1024, "KiB")
      ]
    })
}
