import { defineConfig } from "vitest/config"

/** Two tiers. `host` needs root and real systemd, tor, nft and swtpm; `pure` needs Node alone and takes seconds. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "pure",
          include: ["packages/*/test/**/*.test.ts", "reconcilers/test/**/*.test.ts", "test/pure/**/*.test.ts"],
          exclude: ["**/host/**"]
        }
      },
      {
        test: {
          name: "host",
          include: ["**/test/host/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000
        }
      }
    ]
  }
})
