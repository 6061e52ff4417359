import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { patela, runServer } from "./rig/commandLine.ts"
import { house } from "./rig/house.ts"
import { httpsAsk } from "./rig/httpsAsk.ts"
import { selfSigned } from "./rig/selfSigned.ts"
import { softwareTpm } from "./rig/SoftwareTpm.ts"

const network = ["network", "set", "--gateway-v4", "192.0.2.1", "--dns", "192.0.2.53"]

const TIMEOUT = 120_000

describe("patela", () => {
  it.effect("serves over TLS 1.3 and stops with 0; what people decide works at once", () =>
    Effect.gen(function*() {
      const { folder, variables } = yield* house
      const { cert, key, pem } = yield* selfSigned(folder)
      const tpm = softwareTpm()
      yield* patela(variables, ["keygen", "--out", `${folder}/token.key`])
      assert.strictEqual(statSync(`${folder}/token.key`).mode & 0o777, 0o600)
      yield* patela(variables, ["torrc", "import", "-", "default"], "ContactInfo me@example.org\n")
      yield* patela(variables, network)
      const environment = {
        ...variables,
        PATELA_BISCUIT_KEY: `file:${folder}/token.key`,
        PATELA_FIRST_V4: "192.0.2.10",
        PATELA_PREFIX_V4: "24"
      }
      const server = yield* runServer(environment, ["--cert", cert, "--key", key])
      const ask = (path: string, body?: string) =>
        httpsAsk({ port: server.port, ca: pem, path, ...body === undefined ? {} : { body } })

      const auth = JSON.stringify(tpm.request)
      const waiting = yield* ask("/public/auth", auth)
      assert.deepInclude(waiting, { status: 401, type: "application/problem+json", protocol: "TLSv1.3" })
      const enabled = yield* patela(variables, ["enable", "1"])
      assert.strictEqual(enabled.code, 0)
      assert.include(enabled.stdout, "has not shown yet")
      assert.strictEqual((yield* ask("/public/auth", auth)).status, 201)
      yield* patela(variables, ["node", "disable", "1"])
      assert.strictEqual((yield* ask("/public/auth", auth)).status, 401)

      assert.strictEqual((yield* ask("/nothing")).type, "application/problem+json")
      const large = yield* ask("/public/auth", "x".repeat(70_000))
      assert.deepInclude(large, { status: 413, type: "application/problem+json" })
      yield* Effect.flip(httpsAsk({ port: server.port, ca: pem, path: "/", maxVersion: "TLSv1.2" }))
      const file = /^sqlite:(.*)/.exec(variables.DATABASE_URL)?.[1]
      if (file !== undefined) assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(yield* server.stop, 0)

      const log = yield* patela(variables, ["audit", "--json"])
      for (const what of ["node 1: enabled", "node 1: disabled", "network set", "torrc of default imported"]) {
        assert.include(log.stdout, what)
      }
    }), TIMEOUT)

  it.effect("says what is missing before it serves, and exits with 1", () =>
    Effect.gen(function*() {
      const { folder, variables } = yield* house
      const { stdout: key } = yield* patela(variables, ["keygen"])
      const pool = { ...variables, PATELA_FIRST_V4: "192.0.2.10", PATELA_PREFIX_V4: "24" }
      const all = { ...pool, PATELA_BISCUIT_KEY: key.trim() }
      const expectations = [
        [{ HOME: folder }, "DATABASE_URL is not set"],
        [{ ...variables, DATABASE_URL: "mysql://me:secret@host/db" }, "neither sqlite: nor postgres://"],
        [{ ...variables, DATABASE_URL: "postgres://me:secret@127.0.0.1:1/db" }, "PostgreSQL database cannot be used"],
        [{ ...variables, PATELA_BISCUIT_KEY: key.trim() }, "PATELA_FIRST_V4"],
        [{ ...pool, PATELA_PREFIX_V4: "99" }, "from 1 to 32"],
        [pool, "PATELA_BISCUIT_KEY is not set"],
        [{ ...pool, PATELA_BISCUIT_KEY: "secret" }, "PATELA_BISCUIT_KEY is no key"],
        [all, "patela torrc import"]
      ] as const
      yield* Effect.forEach(expectations, ([environment, message]) =>
        Effect.map(patela(environment, ["run"]), ({ code, stdout, stderr }) => {
          assert.deepStrictEqual([code, stdout], [1, ""])
          assert.include(stderr, message)
          assert.notInclude(stderr, "secret")
        }), { concurrency: 2 })
    }), TIMEOUT)

  it.effect("imports a torrc whole or not at all", () =>
    Effect.gen(function*() {
      const { folder, variables } = yield* house
      writeFileSync(`${folder}/torrc`, "ContactInfo me@example.org # mine\n")
      assert.strictEqual((yield* patela(variables, ["torrc", "import", `${folder}/torrc`, "default"])).code, 0)
      const wrong = yield* patela(variables, ["torrc", "import", "-", "default"], "ContactInfo x\n\nNoSuchOption 1\n")
      assert.strictEqual(wrong.code, 1)
      assert.include(wrong.stderr, "line 3")
      const refused = "ContactInfo x\nControlPort 9051\nLog notice file /etc/passwd\n"
      const answer = yield* patela(variables, ["torrc", "import", "-", "default"], refused)
      assert.strictEqual(answer.code, 1)
      assert.include(answer.stderr, "line 2, column 1: ControlPort is refused")
      assert.include(answer.stderr, "line 3, column 1: Log is refused")
      const kept = yield* patela(variables, ["torrc", "get", "default"])
      assert.strictEqual(kept.stdout, readFileSync(`${folder}/torrc`, "utf8"))
      const managed = yield* patela(variables, ["torrc", "import", "-", "default"], "Nickname x\nContactInfo y\n")
      assert.strictEqual(managed.code, 0)
      assert.include(managed.stderr, "warning: line 1, column 1: Nickname")
      const resolved = yield* patela(variables, ["torrc", "get", "default", "--resolved"])
      assert.strictEqual(resolved.stdout, "ContactInfo \"y\"\n")
      const wrongTargets = [["node", "9"], ["relay", "toma"], ["node"], ["default", "1"]]
      yield* Effect.forEach(wrongTargets, (target) =>
        Effect.map(patela(variables, ["torrc", "import", `${folder}/torrc`, ...target]), ({ code, stderr }) => {
          assert.strictEqual(code, 1)
          assert.isNotEmpty(stderr)
        }), { concurrency: 2 })
    }), TIMEOUT)

  it.effect("answers a wrong command line with 2 and nothing on stdout", () =>
    Effect.gen(function*() {
      const { variables } = yield* house
      const wrong = [["frob"], ["list", "cheese"], ["enable"], ["enable", "0"], ["network", "set"]]
      yield* Effect.forEach(wrong, (args) =>
        Effect.map(patela(variables, args), ({ code, stdout, stderr }) => {
          assert.deepStrictEqual([code, stdout], [2, ""], args.join(" "))
          assert.include(stderr, "--help")
        }), { concurrency: 2 })
      const { code, stdout } = yield* patela(variables, ["list", "all", "--json"])
      assert.deepStrictEqual([code, JSON.parse(stdout)], [0, { nodes: [], relays: [] }])
    }), TIMEOUT)
})
