import { assert, describe, it } from "@effect/vitest"
import { endorsementKeyTemplates } from "@patela/tpm/identity/EndorsementKey"
import { encodePublicHex } from "@patela/tpm/structures/TpmtPublic"
import { Effect } from "effect"
import { keyOf } from "../../tpm/test/fixtures.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { node1 } from "./rig/Fleet.ts"
import { softwareTpm } from "./rig/SoftwareTpm.ts"
import { poolVariables, TestApi, testApi } from "./rig/TestApi.ts"

const p384 = encodePublicHex(keyOf(endorsementKeyTemplates["ecc-p384"]))
const rsa = encodePublicHex(keyOf(endorsementKeyTemplates["rsa-2048"]))

/** A machine that asked with its P-256 key, and how it asks. */
const machine = Effect.gen(function*() {
  const { ask } = yield* TestApi
  const { request } = softwareTpm()
  const auth = (ek_public: string = request.ek_public) =>
    ask({ path: "/public/auth", body: { ...request, ek_public }, from: "192.0.2.200" })
  assert.strictEqual((yield* auth()).status, 401)
  return { auth }
})

const enable = (enabled: boolean) =>
  Effect.flatMap(Administration, (administration) => administration.setEnabled("test", node1, enabled))

describe("a machine that asks with another endorsement key than it was enabled with", () => {
  it.effect("is told which it is known by, and nothing is stored", () =>
    Effect.gen(function*() {
      const { rows } = yield* TestApi
      const { auth } = yield* machine
      yield* enable(true)
      const before = yield* rows
      for (const other of [p384, rsa]) {
        const { body, status, text } = yield* auth(other)
        assert.strictEqual(status, 409)
        assert.deepInclude(body, { type: "urn:patela:problem:other-endorsement-key", endorsement_key: "ecc-p256" })
        assert.include(text, "Node 1 ")
      }
      assert.strictEqual(yield* rows, before)
      assert.strictEqual((yield* auth()).status, 201)
      yield* enable(false)
      assert.strictEqual((yield* auth(p384)).status, 409, "disabled, it is the same machine all the same")
    }).pipe(Effect.provide(testApi())))

  it.effect("is a new one as long as nobody enabled the other, and the one that it was from then on", () =>
    Effect.gen(function*() {
      const { auth } = yield* machine
      assert.include((yield* auth(p384)).text, "patela enable 2")
      yield* enable(true)
      assert.strictEqual((yield* auth(p384)).status, 409, "also where it waits by the other key")
      yield* (yield* Administration).setEnabled("test", (yield* (yield* Nodes).list)[1]?.id ?? node1, true)
      assert.strictEqual((yield* auth(p384)).status, 201, "a person enabled both")
      assert.strictEqual((yield* auth()).status, 201)
    }).pipe(Effect.provide(testApi())))

  it.effect("counts as the node that it is: a fleet that starts again is no flood of new machines", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const { auth } = yield* machine
      yield* enable(true)
      for (let time = 0; time < 3; time++) assert.strictEqual((yield* auth(p384)).status, 409)
      assert.strictEqual(
        (yield* ask({ path: "/public/auth", body: softwareTpm().request, from: "192.0.2.200" })).status,
        401
      )
      assert.strictEqual((yield* auth()).status, 201)
      assert.strictEqual((yield* auth(p384)).status, 429, "and as one that asks too often")
    }).pipe(
      Effect.provide(testApi({ ...poolVariables, PATELA_NEW_PER_SOURCE: "2", PATELA_AUTH_PER_NODE: "4" }))
    ))

  it.effect("is nobody else's: another machine's attestation key leads nowhere", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      yield* machine
      yield* enable(true)
      const stranger = { ...softwareTpm().request, ek_public: p384 }
      assert.include((yield* ask({ path: "/public/auth", body: stranger })).text, "patela enable 2")
    }).pipe(Effect.provide(testApi())))
})
