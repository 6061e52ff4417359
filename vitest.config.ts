import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

/**
 * Four tiers. `pure` needs Node alone and takes seconds. `host` needs root: it makes namespaces and boots nodes.
 * `faults` is of the same kind, and breaks things on purpose, which takes long.
 * `inside` runs as root in a throw-away node, where it may change accounts, units and addresses: `npm test` boots one.
 */
const real = { testTimeout: 600_000, hookTimeout: 600_000 }

/** Files wait for nodes that boot and for time-outs, so that two at a time take little more than half of the time. */
const apart = { ...real, maxWorkers: 2, globalSetup: ["test/src/mission/packagedAgent.ts"] }

export default defineConfig({
  // A node has the repository read-only.
  cacheDir: "/tmp/patela-vitest",
  test: {
    projects: [
      {
        test: {
          name: "pure",
          include: ["packages/*/test/**/*.test.ts", "reconcilers/test/**/*.test.ts", "test/pure/**/*.test.ts"],
          exclude: ["**/host/**", "**/inside/**", "**/faults/**"],
          // Vitest leaves one processor alone otherwise, which is half of them where there are two.
          maxWorkers: availableParallelism(),
          testTimeout: 120_000
        }
      },
      { test: { ...apart, name: "host", include: ["**/test/host/**/*.test.ts"] } },
      { test: { ...apart, name: "faults", include: ["**/test/faults/**/*.test.ts"] } },
      { test: { ...real, fileParallelism: false, name: "inside", include: ["**/test/inside/**/*.test.ts"] } }
    ]
  }
})
