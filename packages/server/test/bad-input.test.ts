import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { Audit } from "../src/audit/Audit.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { Relays } from "../src/relays/Relays.ts"
import { authenticate, enabledNode } from "./rig/authenticate.ts"
import { node1, specs } from "./rig/Fleet.ts"
import { softwareTpm } from "./rig/SoftwareTpm.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const fingerprint = { rsa: "A".repeat(40), ed25519: "a".repeat(43) }

describe("bad input changes nothing and names the field", () => {
  const tpm = softwareTpm()
  const swapped = { ...tpm.request, ek_public: tpm.request.ak_public }
  const forged = { ...tpm.request, ak_name: `000b${"00".repeat(32)}` }
  const cases: ReadonlyArray<readonly [string, unknown, string]> = [
    ["not JSON", "{bad", "JSON"],
    ["an empty body", "", "payload"],
    ["a field that is missing", { ek_public: "00", ak_public: "00" }, "ak_name"],
    ["wrong hex", { ...tpm.request, ak_public: "0g" }, "ak_public"],
    ["an odd number of digits", { ...tpm.request, ek_public: "000" }, "ek_public"],
    ["a number for hex", { ...tpm.request, ek_public: 5 }, "ek_public"],
    ["hex that is too long", { ...tpm.request, ek_public: "00".repeat(5000) }, "ek_public"],
    ["hex that is no structure", { ...tpm.request, ek_public: "00ff00" }, "ek_public"],
    ["an EK that is an AK", swapped, "ek_public"],
    ["an AK that is an EK", { ...tpm.request, ak_public: tpm.request.ek_public }, "ak_public"],
    ["a forged AK name", forged, "ak_name"]
  ]
  for (const [title, body, named] of cases) {
    it.effect(title, () =>
      Effect.gen(function*() {
        const { ask, rows } = yield* TestApi
        const before = yield* rows
        const answer = yield* ask({ path: "/public/auth", body })
        assert.strictEqual(answer.status, 400)
        assert.include(answer.text, named)
        assert.strictEqual(yield* rows, before)
      }).pipe(Effect.provide(testApi())))
  }

  it.effect("whatever JSON comes, to any path, is a 4xx and no crash", () =>
    Effect.gen(function*() {
      const { ask, rows } = yield* TestApi
      const { token } = yield* authenticate(yield* enabledNode)
      yield* ask({ path: "/private/config/node", token })
      const before = yield* rows
      const bodies = yield* Arbitrary.sampleEffect(Arbitrary.schema(Schema.Json), { count: 100 })
      for (const path of ["/public/auth", "/private/specs", "/private/report"]) {
        for (const body of bodies) {
          const answer = yield* ask({ path, body: JSON.stringify(body), token })
          assert.strictEqual(answer.status, 400, `${path} ${JSON.stringify(body)}`)
        }
      }
      assert.strictEqual(yield* rows, before)
    }).pipe(Effect.provide(testApi())))

  it.effect("hardware that cannot be", () =>
    Effect.gen(function*() {
      const { ask, rows } = yield* TestApi
      const { token } = yield* authenticate(yield* enabledNode)
      yield* ask({ path: "/private/config/node", token })
      const before = yield* rows
      for (
        const wrong of [{ n_cpus: 0 }, { memory: -1 }, { memory: 1.5 }, { n_cpus: "4" }, { cpu_name: "x".repeat(201) }]
      ) {
        const answer = yield* ask({ path: "/private/specs", body: { ...specs, ...wrong }, token })
        assert.strictEqual(answer.status, 400)
        assert.include(answer.text, Object.keys(wrong)[0] ?? "")
      }
      assert.strictEqual(yield* rows, before)
    }).pipe(Effect.provide(testApi())))

  it.effect("text that no database can keep is kept as near as it can be", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const { token } = yield* authenticate(yield* enabledNode)
      const odd = "a\u0000b\ud800c'\"\\%_$1?;--\u{1f9c0}"
      const kept = "a\ufffdb\ufffdc'\"\\%_$1?;--\u{1f9c0}"
      const said = { ...specs, cpu_name: odd, hostname: odd, kernel: odd, agent_version: odd }
      assert.strictEqual((yield* ask({ path: "/private/specs", body: said, token })).status, 200)
      const report = {
        relays: [{ name: "toma", fingerprint: null, blocked: odd }],
        tor_version: odd,
        generation: null,
        rolled_back: odd
      }
      assert.strictEqual((yield* ask({ path: "/private/report", body: report, token })).status, 204)
      const node = yield* (yield* Administration).node(node1)
      for (const field of ["cpu_name", "hostname", "kernel", "agent_version", "tor_version", "rolled_back"] as const) {
        assert.strictEqual(node[field], kept, field)
      }
      assert.strictEqual((yield* (yield* Relays).ofNode(node1))[0]?.blocked, kept)
    }).pipe(Effect.provide(testApi())))

  it.effect("a report about another node's relay, or one that is none", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const { token } = yield* authenticate(yield* enabledNode)
      const body = {
        relays: [{ name: "brie", fingerprint, blocked: null }],
        tor_version: null,
        generation: null,
        rolled_back: null
      }
      assert.strictEqual((yield* ask({ path: "/private/report", body, token })).status, 204)
      const entries = yield* (yield* Audit).newest(10)
      assert.notInclude(JSON.stringify(entries), "brie")
    }).pipe(Effect.provide(testApi())))
})
