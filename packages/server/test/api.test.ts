import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Audit } from "../src/audit/Audit.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { Relays } from "../src/relays/Relays.ts"
import { newTokenKey, TokenKey } from "../src/session/TokenKey.ts"
import { Tokens } from "../src/session/Tokens.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { TorrcLayers } from "../src/torrc/TorrcLayers.ts"
import { authenticate, enabledNode } from "./rig/authenticate.ts"
import { network, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { refuseInserts } from "./rig/refuseInserts.ts"
import { type SoftwareTpm, softwareTpm } from "./rig/SoftwareTpm.ts"
import { poolVariables, TestApi, testApi } from "./rig/TestApi.ts"

const fingerprint = { rsa: "A".repeat(40), ed25519: "a".repeat(43) }
const other = { rsa: "B".repeat(40), ed25519: "b".repeat(43) }

/** The tokens of a server with another key. */
const otherServer = Layer.fresh(Tokens.layer).pipe(
  Layer.provide(Layer.effect(TokenKey, Effect.map(newTokenKey, (key) => TokenKey.of({ private: key, old: [] }))))
)

describe("a node's way in", () => {
  it.effect("401, enable, 201, specs, config, report, 200", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const tpm = softwareTpm()
      yield* (yield* NetworkAdministration).set("test", network)
      yield* (yield* TorrcLayers).import("test", { of: "default" }, "ContactInfo me@example.org\n")

      const early = yield* ask({ path: "/public/auth", body: tpm.request })
      assert.strictEqual(early.status, 401)
      assert.include(early.text, "patela enable 1")
      yield* (yield* Administration).setEnabled("test", node1, true)

      const first = yield* authenticate(tpm)
      assert.deepStrictEqual([first.status, first.first], [201, true])
      // The answer may be lost on its way: until a token was used, the next one is still the first.
      assert.strictEqual((yield* authenticate(tpm)).status, 201)

      const { token } = first
      assert.strictEqual((yield* ask({ path: "/private/config/node", token })).status, 409)
      assert.deepStrictEqual((yield* ask({ path: "/private/specs", body: specs, token })).body, { relays: 3 })
      assert.deepStrictEqual((yield* ask({ path: "/private/specs", body: specs, token })).body, { relays: 3 })

      const config = yield* ask({ path: "/private/config/node", token })
      assert.deepInclude(config.body, {
        name: "toma",
        slot: 0,
        ip_v4: "192.0.2.10",
        ip_v6: null,
        or_port: 443,
        dir_port: null,
        torrc: "ContactInfo \"me@example.org\"\n",
        fingerprint: null
      })
      const resolved = yield* ask({ path: "/private/config/resolved/node", token })
      assert.deepNestedInclude(resolved.body, {
        "network.gateway_v4": "192.0.2.1",
        "network.prefix_v4": 24,
        "network.pools": [{ family: "ipv4", first: "192.0.2.10", last: "192.0.2.255", prefix: 24 }]
      })

      const report = (found: typeof fingerprint) => ({
        relays: [{ name: "toma", fingerprint: found, blocked: null }],
        tor_version: "0.4.9.11",
        generation: 1,
        rolled_back: null
      })
      assert.strictEqual((yield* ask({ path: "/private/report", body: report(fingerprint), token })).status, 204)
      assert.strictEqual((yield* ask({ path: "/private/report", body: report(other), token })).status, 204)
      const after = yield* ask({ path: "/private/config/node", token })
      assert.include(after.text, fingerprint.rsa, "the first fingerprint stays on record")
      assert.notInclude(after.text, other.rsa)
      const log = yield* (yield* Audit).newest(1)
      assert.deepInclude(log[0], { who: "node 1", what: "relay toma: fingerprint alarm" })

      assert.deepStrictEqual((yield* authenticate(tpm)).status, 200)
    }).pipe(Effect.provide(testApi())))

  it.effect("a number of relays that was raised counts with the next question, in the session that there is", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      yield* (yield* NetworkAdministration).set("test", network)
      const { token } = yield* authenticate(yield* enabledNode)
      yield* ask({ path: "/private/specs", body: specs, token })
      const before = yield* ask({ path: "/private/config/node", token })
      yield* (yield* Administration).set("test", node1, "relays", "5")
      const ifNoneMatch = before.etag ?? ""
      const after = yield* ask({ path: "/private/config/node", token, ifNoneMatch })
      assert.deepStrictEqual([after.status, Array.isArray(after.body) ? after.body.length : 0], [200, 5])
      const told = yield* ask({ path: "/private/config/resolved/node", token })
      const again = yield* ask({ path: "/private/config/node", token, ifNoneMatch: after.etag ?? "" })
      assert.strictEqual(again.status, 304)
      assert.deepStrictEqual(yield* ask({ path: "/private/config/resolved/node", token }), told, "nothing more changes")
    }).pipe(Effect.provide(testApi())))

  it.effect("a token opens on the TPM that it is for, and only for the request that it answers", () =>
    Effect.gen(function*() {
      const tpm = yield* enabledNode
      const { sealed } = yield* authenticate(tpm)
      assert.throws(() => softwareTpm().open(sealed))
      assert.throws(() => tpm.open({ ...sealed, expires_at: sealed.expires_at + 1 }))
      assert.throws(() => tpm.open({ ...sealed, challenge: "00".repeat(16) }))
    }).pipe(Effect.provide(testApi())))
})

describe("a token", () => {
  it.effect("ends after 15 minutes", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const { token } = yield* authenticate(yield* enabledNode)
      const status = Effect.map(ask({ path: "/private/specs", body: specs, token }), (answer) => answer.status)
      assert.strictEqual(yield* status, 200)
      yield* TestClock.adjust("14 minutes")
      assert.strictEqual(yield* status, 200)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* status, 401)
    }).pipe(Effect.provide(testApi())))

  it.effect("ends when its node is disabled, and stays so when the node is enabled again", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const { token } = yield* authenticate(yield* enabledNode)
      const administration = yield* Administration
      yield* administration.setEnabled("test", node1, false)
      assert.strictEqual((yield* ask({ path: "/private/specs", body: specs, token })).status, 401)
      const current = yield* tokenOf(node1)
      const disabled = yield* ask({ path: "/private/specs", body: specs, token: current })
      assert.include(disabled.text, "not enabled", "also a token of this very epoch")
      yield* administration.setEnabled("test", node1, true)
      const again = yield* ask({ path: "/private/specs", body: specs, token })
      assert.strictEqual(again.status, 401)
      assert.notInclude(again.text, token)
    }).pipe(Effect.provide(testApi())))

  it.effect("of another server, or none at all, is refused", () =>
    Effect.gen(function*() {
      const { ask, rows } = yield* TestApi
      yield* enabledNode
      const foreign = yield* Effect.provide(
        tokenOf(node1),
        otherServer
      )
      const before = yield* rows
      for (const token of [foreign, "x", "", "a".repeat(5000), "ed25519"]) {
        const answer = yield* ask({ path: "/private/specs", body: specs, token })
        assert.strictEqual(answer.status, 401)
        assert.include(answer.text, "urn:patela:problem:token-refused")
      }
      assert.strictEqual((yield* ask({ path: "/private/specs", body: specs })).status, 401)
      assert.strictEqual(yield* rows, before)
    }).pipe(Effect.provide(testApi())))
})

describe("a pool that is full", () => {
  it.effect("is named, and neither relays nor hardware are stored", () =>
    Effect.gen(function*() {
      const { ask, rows } = yield* TestApi
      const { token } = yield* authenticate(yield* enabledNode)
      yield* ask({ path: "/private/config/node", token })
      const answer = yield* ask({ path: "/private/specs", body: specs, token })
      assert.strictEqual(answer.status, 409)
      assert.include(answer.text, "IPv4 pool")
      assert.include(answer.text, "192.0.2.9-192.0.2.11/30")
      const [node] = yield* (yield* Nodes).list
      assert.isNull(node?.n_cpus)
      assert.include(node?.allocation_refused, "192.0.2.9-192.0.2.11/30")
      assert.deepStrictEqual(yield* (yield* Relays).list, [])
      const before = yield* rows
      assert.strictEqual((yield* ask({ path: "/private/specs", body: specs, token })).status, 409)
      assert.strictEqual(yield* rows, before, "the same again is not written again")
      const small = { ...specs, n_cpus: 2 }
      assert.deepStrictEqual((yield* ask({ path: "/private/specs", body: small, token })).body, { relays: 2 })
    }).pipe(Effect.provide(testApi({ PATELA_FIRST_V4: "192.0.2.9", PATELA_PREFIX_V4: "30" }))))
})

describe("a database that fails half-way", () => {
  it.effect("keeps nothing of the step, and the answer says nothing of the inside", () =>
    Effect.gen(function*() {
      const { ask, rows } = yield* TestApi
      const { token } = yield* authenticate(yield* enabledNode)
      yield* ask({ path: "/private/config/node", token })
      const undo = yield* refuseInserts("relays", "NEW.slot = 2")
      const before = yield* rows
      const answer = yield* ask({ path: "/private/specs", body: specs, token })
      assert.strictEqual(answer.status, 500)
      assert.include(answer.text, "its log says why")
      assert.notInclude(answer.text, "fire")
      assert.strictEqual(yield* rows, before)
      yield* undo
      assert.deepStrictEqual((yield* ask({ path: "/private/specs", body: specs, token })).body, { relays: 3 })
    }).pipe(Effect.provide(testApi())))
})

describe("the waiting list", () => {
  it.effect("is bounded, keeps who is known, and drops machines of a month ago when it needs room", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const statusOf = (machine: SoftwareTpm) =>
        Effect.map(ask({ path: "/public/auth", body: machine.request }), (answer) => answer.status)
      const [one, two, three] = [softwareTpm(), softwareTpm(), softwareTpm()]
      assert.deepStrictEqual([yield* statusOf(one), yield* statusOf(two), yield* statusOf(three)], [401, 401, 429])
      yield* TestClock.adjust("31 days")
      assert.strictEqual(yield* statusOf(two), 401, "two is still alive")
      assert.strictEqual(yield* statusOf(three), 401, "one made room")
      const known = yield* Effect.flip((yield* Administration).node(node1))
      assert.strictEqual(known._tag, "NodeUnknown")
      const answer = yield* ask({ path: "/public/auth", body: three.request })
      assert.include(answer.text, "patela enable 3", "the number of a dropped machine is never given again")
    }).pipe(Effect.provide(testApi({ ...poolVariables, PATELA_WAITING_LIST: "2" }))))
})
