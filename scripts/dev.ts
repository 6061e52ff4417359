import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { BackgroundProcess } from "../test/src/rig/BackgroundProcess.ts"
import { CertificateAuthority } from "../test/src/rig/CertificateAuthority.ts"
import { runOk } from "../test/src/rig/Command.ts"
import { nodeBinary, repositoryRoot } from "../test/src/rig/Repository.ts"
import { Swtpm } from "../test/src/rig/Swtpm.ts"

/** Where the developer's server keeps its database and key from one start to the next. */
const folder = `${repositoryRoot}/.build/dev`

const PORT = 8020

/** A server on 127.0.0.1 that starts again when its sources change, and a software TPM to point an agent at. */
const main = Effect.gen(function*() {
  const keyFile = `${folder}/biscuit.key`
  yield* Effect.sync(() => {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!existsSync(keyFile)) {
      writeFileSync(keyFile, `ed25519-private/${randomBytes(32).toString("hex")}\n`, { mode: 0o600 })
    }
  })
  const authority = yield* CertificateAuthority.make({ addresses: ["127.0.0.1"], names: ["localhost"] })
  const tpm = yield* Swtpm.make()
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: process.env["HOME"] ?? "/",
    DATABASE_URL: `sqlite:${folder}/patela.db`,
    PATELA_SERVER_CERT: authority.serverCertificate,
    PATELA_SERVER_KEY: authority.serverKey,
    PATELA_BISCUIT_KEY: `file:${keyFile}`,
    PATELA_FIRST_V4: "198.51.100.10",
    PATELA_PREFIX_V4: "24",
    PATELA_FIRST_V6: "2001:db8:8020::10",
    PATELA_PREFIX_V6: "64"
  }
  const entry = `${repositoryRoot}/packages/server/src/main.ts`
  const patela = (args: ReadonlyArray<string>, stdin?: string) =>
    runOk([nodeBinary, entry, ...args], { env, ...(stdin === undefined ? {} : { stdin }) })
  yield* patela(["torrc", "import", "-", "default"], "ExitPolicy reject *:*\n")
  yield* patela([
    "network",
    "set",
    "--gateway-v4",
    "198.51.100.1",
    "--gateway-v6",
    "2001:db8:8020::1",
    "--dns",
    "198.51.100.1"
  ])
  const server = yield* BackgroundProcess.start(
    [nodeBinary, "--watch", entry, "run", "--host", "127.0.0.1", "--port", String(PORT)],
    { env }
  )
  yield* Console.log(
    [
      `server   https://127.0.0.1:${PORT}, started again when a source changes; Ctrl-C ends everything`,
      `list     DATABASE_URL=${env.DATABASE_URL} npx patela list all`,
      `TPM      TPM2TOOLS_TCTI=${tpm.tcti} npx patela-agent tpm status`,
      `agent    as root in a node: npm run demo -- --keep`,
      `CA       ${authority.caCertificate}`,
      ""
    ].join("\n")
  )
  let shown = 0
  return yield* Effect.gen(function*() {
    const lines = yield* server.lines
    for (const line of lines.slice(shown)) yield* Console.log(line)
    shown = lines.length
    yield* Effect.sleep("200 millis")
  }).pipe(Effect.forever)
}).pipe(Effect.scoped)

NodeRuntime.runMain(main)
