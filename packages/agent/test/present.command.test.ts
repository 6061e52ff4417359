import { assert, describe, it } from "@effect/vitest"
import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Effect, Schema } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AS_USER, patelaAgent, type Ran } from "./agentCommand.ts"
import { configOf } from "./PresentCases.ts"

const TIMEOUT = 120_000

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "patela-agent-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** What went wrong goes to standard error alone, in few lines, and says each of `words`. */
const complains = ({ code, stderr, stdout }: Ran, exitCode: number, ...words: ReadonlyArray<string>): void => {
  assert.strictEqual(code, exitCode, stderr)
  assert.strictEqual(stdout, "")
  assert.isBelow(stderr.trim().split("\n").length, 12, stderr)
  assert.notMatch(stderr, /^ {4}at |internal error/m)
  for (const word of words) assert.include(stderr, word)
}

const good = Schema.encodeSync(NodeConfig)(configOf({ count: 2 }))

describe("patela-agent diff", () => {
  it.effect(
    "says what is wrong with its flags, and never ends with the code for changes",
    () =>
      Effect.gen(function*() {
        complains(yield* patelaAgent(["diff"]), 1, "--server https://HOST:PORT", "PATELA_SERVER", "--config FILE")
        complains(
          yield* patelaAgent(["diff", "--server", "https://192.0.2.1:8020", "--config", "x"]),
          1,
          "say either --server or --config"
        )
        complains(yield* patelaAgent(["diff", "--server", "http://192.0.2.1"]), 1, "https://", "diff --help")
        complains(yield* patelaAgent(["diff", "--confg", "x"]), 1, "--confg", "diff --help")
        complains(yield* patelaAgent(["diff", "--config"]), 1, "--config", "diff --help")
        complains(yield* patelaAgent(["diff"], { env: { PATELA_SERVER: "nonsense" } }), 1, "PATELA_SERVER", "https://")
      }),
    TIMEOUT
  )

  it.effect("wants root, once it has a configuration to look for", () =>
    Effect.gen(function*() {
      const server = yield* patelaAgent(["diff", "--server", "https://192.0.2.1:8020"], { env: AS_USER })
      complains(server, 1, "diff reads key files", "run it as root", "uid 1000")
      const file = yield* patelaAgent(["diff", "--config", "-"], { env: AS_USER, stdin: JSON.stringify(good) })
      complains(file, 1, "run it as root")
    }), TIMEOUT)

  it.effect(
    "names what is wrong with a configuration, quotes nothing of it, and says how to get one",
    () =>
      Effect.gen(function*() {
        const path = yield* folder
        const how = "patela-agent config > node.json"
        const [toma, robiola] = good.relays
        const review = (stdin: string) => patelaAgent(["diff", "--config", "-"], { env: AS_USER, stdin })
        complains(
          yield* patelaAgent(["diff", "--config", `${path}/none.json`]),
          1,
          `${path}/none.json`,
          "no such file",
          how
        )
        complains(yield* patelaAgent(["diff", "--config", path]), 1, path, how)
        const secret = "HashedControlPassword 16:CANARY"
        const wrong = yield* review(JSON.stringify({ ...good, relays: [{ ...toma, torrc: [secret] }, robiola] }))
        complains(wrong, 1, "standard input", "relays[0].torrc: ", how)
        assert.notInclude(wrong.stderr, "CANARY")
      }).pipe(Effect.scoped),
    TIMEOUT
  )

  it.effect("takes the file, and not the server that the host has set for good", () =>
    Effect.gen(function*() {
      const env = { ...AS_USER, PATELA_SERVER: "https://192.0.2.1:8020" }
      complains(yield* patelaAgent(["diff", "--config", "-"], { env, stdin: "{" }), 1, "standard input is not JSON")
    }), TIMEOUT)

  it.effect("explains itself with examples", () =>
    Effect.gen(function*() {
      for (const command of ["diff", "config"]) {
        const { code, stdout } = yield* patelaAgent([command, "--help"])
        assert.strictEqual(code, 0)
        assert.match(stdout, /EXAMPLES\n[^]*patela-agent diff --config node\.json/)
      }
      const { stdout } = yield* patelaAgent(["config", "--help"])
      assert.include(stdout, "secrets")
      assert.include((yield* patelaAgent(["--help"])).stdout, "config")
    }), TIMEOUT)
})

describe("patela-agent config", () => {
  it.effect("says that it needs a server, and when there is no TPM", () =>
    Effect.gen(function*() {
      complains(yield* patelaAgent(["config"]), 2, "--server", "config --help")
      const tpm = ["--server", "https://127.0.0.1:1", "--tpm2", "swtpm:path=/nowhere"]
      complains(yield* patelaAgent(["config", ...tpm]), 1, "No TPM answers", "--tpm2")
    }), TIMEOUT)
})
