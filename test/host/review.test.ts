import { assert, layer } from "@effect/vitest"
import { PlanDocument } from "@patela/agent/present/PlanDocument"
import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Context, Effect, Layer, Schema } from "effect"
import { BackgroundProcess } from "../src/rig/BackgroundProcess.ts"
import { CertificateAuthority } from "../src/rig/CertificateAuthority.ts"
import { run, runOk } from "../src/rig/Command.ts"
import { nodeBinary, repositoryRoot } from "../src/rig/Repository.ts"
import { Swtpm } from "../src/rig/Swtpm.ts"
import { TemporaryDirectory } from "../src/rig/TemporaryDirectory.ts"

const main = (who: "agent" | "server"): string => `${repositoryRoot}/packages/${who}/src/main.ts`

/** A server on a free port of the loopback, a software TPM, and the commands of both sides as an operator types them. */
class Review extends Context.Service<Review, {
  readonly patela: (args: ReadonlyArray<string>, stdin?: string) => ReturnType<typeof runOk>
  readonly agent: (args: ReadonlyArray<string>, stdin?: string, server?: string) => ReturnType<typeof run>
}>()("@patela/test/host/Review") {
  static readonly layer = Layer.effect(
    Review,
    Effect.gen(function*() {
      const folder = yield* TemporaryDirectory.make("review")
      const authority = yield* CertificateAuthority.make({ addresses: ["127.0.0.1"] })
      const tpm = yield* Swtpm.make()
      const path = { PATH: process.env["PATH"] ?? "", HOME: folder }
      const env = {
        ...path,
        DATABASE_URL: `sqlite:${folder}/patela.db`,
        PATELA_SERVER_CERT: authority.serverCertificate,
        PATELA_SERVER_KEY: authority.serverKey,
        PATELA_BISCUIT_KEY: `file:${folder}/biscuit.key`,
        PATELA_FIRST_V4: "198.51.100.10",
        PATELA_PREFIX_V4: "24"
      }
      const patela = (args: ReadonlyArray<string>, stdin = "") =>
        runOk([nodeBinary, main("server"), ...args], { env, stdin })
      yield* patela(["keygen", "--out", `${folder}/biscuit.key`])
      yield* patela(["torrc", "import", "-", "default"], "ContactInfo tor@example.org\n")
      yield* patela(["network", "set", "--gateway-v4", "198.51.100.1", "--dns", "198.51.100.1"])
      const server = yield* BackgroundProcess.start(
        [nodeBinary, main("server"), "run", "--host", "127.0.0.1", "--port", "0"],
        { env }
      )
      const said = yield* server.lineThat("the server to listen", (line) => line.includes("https://127.0.0.1:"), {
        within: "60 seconds"
      })
      const url = /https:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0] ?? ""
      const agentEnv = {
        ...path,
        PATELA_CA_CERT: authority.caCertificate,
        TPM2TOOLS_TCTI: tpm.tcti
      }
      return Review.of({
        patela,
        agent: (args, stdin = "", server = url) =>
          run([nodeBinary, main("agent"), ...args], { env: { ...agentEnv, PATELA_SERVER: server }, stdin })
      })
    })
  )
}

const decodeConfig = Schema.decodeEffect(Schema.fromJsonString(NodeConfig))
const decodePlan = Schema.decodeEffect(Schema.fromJsonString(PlanDocument))

/** The network of this machine is its own: its kinds are left out, and the link is one that every machine has. */
const here = ["--skip-net", "--relay-interface", "lo"]

/** Nothing listens there. */
const NOBODY = "https://127.0.0.1:1"

layer(Review.layer, { excludeTestServices: true, timeout: 600_000 })(
  "a configuration is reviewed before it is rolled out",
  (it) => {
    it.effect("`config` says that a person has to enable the node first, and then prints what the server resolves", () =>
      Effect.gen(function*() {
        const { agent, patela } = yield* Review
        const waiting = yield* agent(["config"])
        assert.strictEqual(waiting.exitCode, 1)
        assert.strictEqual(waiting.stdout, "")
        assert.match(waiting.stderr, /enable/)
        yield* patela(["enable", "1"])
        const shown = yield* agent(["config"])
        assert.strictEqual(shown.exitCode, 0, shown.stderr)
        const config = yield* decodeConfig(shown.stdout)
        assert.isNotEmpty(config.relays)
        assert.match(config.relays[0]?.torrc ?? "", /ContactInfo/)
        const oneLine = yield* agent(["config", "--json"])
        assert.strictEqual(oneLine.stdout.trim().split("\n").length, 1)
        assert.deepStrictEqual(yield* decodeConfig(oneLine.stdout), config)
      }))

    it.effect("`diff --config` of it says just what `diff` says, and asks no server", () =>
      Effect.gen(function*() {
        const { agent } = yield* Review
        const { stdout: config } = yield* agent(["config"])
        const file = yield* agent(["diff", "--config", "-", "--json", ...here], config, NOBODY)
        const server = yield* agent(["diff", "--json", ...here])
        assert.strictEqual(file.exitCode, server.exitCode, file.stderr)
        const [ofFile, ofServer] = [yield* decodePlan(file.stdout), yield* decodePlan(server.stdout)]
        assert.deepStrictEqual(ofFile.source, { from: "file", path: "-" })
        assert.strictEqual(ofServer.source.from, "server")
        assert.isNotEmpty(ofFile.changes)
        assert.deepStrictEqual({ ...ofFile, source: ofServer.source }, ofServer)
      }))

    it.effect("an edited one shows what the edit would change, without the secret in it", () =>
      Effect.gen(function*() {
        const { agent } = yield* Review
        const config = yield* Effect.flatMap(agent(["config"]), ({ stdout }) => decodeConfig(stdout))
        const edited = {
          ...config,
          generation: 77,
          relays: config.relays.slice(0, 1).map((relay) => ({
            ...relay,
            torrc: `${relay.torrc}HashedControlPassword 16:CANARY\n`
          }))
        }
        const { exitCode, stderr, stdout } = yield* agent(["diff", "--config", "-", ...here], JSON.stringify(edited))
        assert.strictEqual(exitCode, 1, "a refused torrc is no whole plan")
        assert.match(stdout, /! torrc {2}.*HashedControlPassword is refused/)
        assert.match(stdout, /^Incomplete plan \(generation 77, from standard input\): /m)
        assert.notInclude(stdout + stderr, "CANARY")
      }))
  }
)
