import { assert, describe, it } from "@effect/vitest"
import { familySealedWith, SealedFamilyKeys } from "@patela/domain/api/FamilyKeys"
import { FamilyId } from "@patela/domain/family/FamilyId"
import { familyIdOf, familySecretFromBytes } from "@patela/domain/family/FamilySecret"
import { NodeFamily } from "@patela/domain/family/NodeFamily"
import { RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import { openUnder } from "@patela/tpm/credential/sealedUnder"
import { Effect, Option, Redacted, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../src/audit/Audit.ts"
import { Family, MOST_MEMBERS } from "../src/family/Family.ts"
import { FamilyAdministration } from "../src/family/FamilyAdministration.ts"
import { FamilyKeys } from "../src/family/FamilyKeys.ts"
import { newFamilySecret } from "../src/family/newFamilySecret.ts"
import { takesFamilyId } from "../src/family/takesFamilyId.ts"
import { Generation } from "../src/generation/Generation.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { network, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { softwareTpm } from "./rig/SoftwareTpm.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const MEMBERS = [RsaFingerprint.make("A".repeat(40))]
const Told = Schema.Struct({ generation: Schema.Int, family: Schema.optionalKey(NodeFamily) })

/** An enabled node with relays, and what it asks. */
const enrolled = Effect.gen(function*() {
  const { ask } = yield* TestApi
  yield* (yield* NetworkAdministration).set("test", network)
  const tpm = softwareTpm()
  yield* ask({ path: "/public/auth", body: tpm.request })
  yield* (yield* Administration).setEnabled("test", node1, true)
  const token = yield* tokenOf(node1)
  yield* ask({ path: "/private/specs", body: specs, token })
  const told = ask({ path: "/private/config/resolved/node", token }).pipe(
    Effect.flatMap(({ body }) => Effect.orDie(Schema.decodeUnknownEffect(Told)(body)))
  )
  const keys = (...ids: ReadonlyArray<string>) => ask({ path: "/private/family-keys", body: { ids }, token })
  const report = (generation: number, tor = "0.4.9.11") =>
    ask({
      path: "/private/report",
      token,
      body: {
        relays: [{ name: "toma", fingerprint: { rsa: "A".repeat(40), ed25519: "a".repeat(43) }, blocked: null }],
        tor_version: tor,
        generation,
        rolled_back: null
      }
    })
  return { keys, report, token, told, tpm }
})

const decodeSealed = (body: unknown) => Effect.orDie(Schema.decodeUnknownEffect(SealedFamilyKeys)(body))

describe("the family on the server", () => {
  it.effect("goes to a node sealed to its TPM, and nothing else of the server's has the key", () =>
    Effect.gen(function*() {
      const { keys, report, told, tpm } = yield* enrolled
      assert.isUndefined((yield* told).family)
      yield* report(1)
      assert.isUndefined((yield* told).family, "without a family fingerprints tell nobody anything")

      const id = yield* (yield* FamilyAdministration).begin("test", "created", yield* newFamilySecret)
      assert.deepEqual((yield* told).family, { ids: [id], members: MEMBERS })
      const answer = yield* keys(id)
      assert.strictEqual(answer.status, 200)
      const sealed = yield* decodeSealed(answer.body)
      const key = Redacted.make<Uint8Array>(tpm.activate(sealed.blob, sealed.secret))
      const [one] = sealed.keys
      if (one === undefined) return assert.fail("no key was sent")
      const bytes = Buffer.from(one.sealed, "hex")
      const open = (text: string) => openUnder(key, bytes, text)
      const opened = Option.getOrThrow(open(familySealedWith(id, tpm.request)))
      assert.strictEqual(familyIdOf(Result.getOrThrow(familySecretFromBytes(Redacted.value(opened)))), id)
      const other = softwareTpm()
      assert.isTrue(Option.isNone(open(familySealedWith(id, other.request))))
      assert.throws(() => other.activate(sealed.blob, sealed.secret))

      const secret = Buffer.from(Redacted.value(opened)).toString("hex")
      const log = JSON.stringify(yield* (yield* Audit).newest(50))
      const listed = JSON.stringify([yield* (yield* FamilyKeys).list, [...(yield* (yield* FamilyKeys).secrets)]])
      for (const text of [answer.text, log, listed]) assert.notInclude(text, secret.slice(0, 32))
      assert.include(log, "family created")
    }).pipe(Effect.provide(testApi())))

  it.effect("is given to nobody who is not enabled, and no key that nodes are not told of", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const { keys, token } = yield* enrolled
      const administration = yield* FamilyAdministration
      const stranger = familyIdOf(yield* newFamilySecret)
      assert.strictEqual((yield* keys(stranger)).status, 404)
      const id = yield* administration.begin("test", "imported", yield* newFamilySecret)
      assert.strictEqual((yield* keys(id, stranger)).status, 404)
      assert.strictEqual((yield* keys()).status, 404)
      for (const ids of [["x"], [id, id, id], [id.toLowerCase().slice(1)], "all"]) {
        const answer = yield* ask({ path: "/private/family-keys", body: { ids }, token })
        assert.strictEqual(answer.status, 400, JSON.stringify(ids))
      }
      assert.strictEqual((yield* ask({ path: "/private/family-keys", body: { ids: [id] } })).status, 401)
      assert.isTrue(yield* administration.turn("test", "id", false))
      assert.isFalse(yield* administration.turn("test", "id", false))
      assert.strictEqual((yield* keys(id)).status, 404)
      yield* administration.turn("test", "id", true)
      assert.strictEqual((yield* keys(id)).status, 200)
      yield* (yield* Administration).setEnabled("test", node1, false)
      assert.strictEqual((yield* keys(id)).status, 401)
    }).pipe(Effect.provide(testApi())))

  it.effect("is declared by key, by fingerprints, by both or by none, each a new generation", () =>
    Effect.gen(function*() {
      const { report, told } = yield* enrolled
      const administration = yield* FamilyAdministration
      const refused = yield* Effect.flip(administration.turn("test", "id", true))
      assert.include(refused.message, "patela family create")
      yield* report(1)
      yield* administration.turn("test", "members", true)
      const members = MEMBERS
      const first = yield* told
      assert.deepEqual(first.family, { ids: [], members })
      const id = yield* administration.begin("test", "created", yield* newFamilySecret)
      const both = yield* told
      assert.deepEqual(both, { generation: first.generation + 1, family: { ids: [id], members } })
      yield* administration.turn("test", "members", false)
      assert.deepEqual((yield* told).family, { ids: [id], members: [] })
      yield* report(1, "0.4.8.12")
      assert.isUndefined((yield* told).family, "an older tor would refuse the torrc")
      yield* report(1)
      yield* administration.turn("test", "id", false)
      assert.deepEqual(yield* told, { generation: both.generation + 2 })
      assert.include(
        (yield* Effect.flip(administration.begin("test", "created", yield* newFamilySecret))).message,
        "patela family rotate"
      )
    }).pipe(Effect.provide(testApi())))

  it.effect("has two keys while it is rotated, and one when every node has the new one", () =>
    Effect.gen(function*() {
      const { keys, report, told } = yield* enrolled
      const administration = yield* FamilyAdministration
      const generation = yield* Generation
      assert.include((yield* Effect.flip(administration.rotate("test", yield* newFamilySecret))).message, "no family")
      const old = yield* administration.begin("test", "created", yield* newFamilySecret)
      assert.include((yield* Effect.flip(administration.retire("test", { anyway: true }))).message, "No rotation")
      const id = yield* administration.rotate("test", yield* newFamilySecret)
      assert.deepEqual((yield* told).family?.ids, [id, old])
      assert.strictEqual((yield* decodeSealed((yield* keys(id, old)).body)).keys.length, 2)
      assert.include((yield* Effect.flip(administration.rotate("test", yield* newFamilySecret))).message, "under way")
      const early = yield* Effect.flip(administration.retire("test", { anyway: false }))
      assert.include(early.message, "1 enabled nodes are not at the newest configuration")
      yield* report(yield* generation.current)
      assert.strictEqual(yield* administration.retire("test", { anyway: false }), old)
      assert.deepEqual((yield* told).family?.ids, [id])
      assert.strictEqual((yield* keys(old)).status, 404)
      yield* administration.rotate("test", yield* newFamilySecret)
      assert.strictEqual(yield* administration.retire("test", { anyway: true }), id)
    }).pipe(Effect.provide(testApi())))

  it.effect("names no relays where a descriptor could not hold them", () =>
    Effect.gen(function*() {
      const { told } = yield* enrolled
      const sql = yield* SqlClient.SqlClient
      yield* (yield* FamilyAdministration).turn("test", "members", true)
      const insert = (count: number) =>
        Effect.forEach(Array.from({ length: count }, (_, at) => at), (at) => {
          const rsa = (at + count * 1000).toString(16).toUpperCase().padStart(40, "0")
          return sql`INSERT INTO relays ${
            sql.insert({
              node_id: 1,
              name: `r${count}x${at}`,
              slot: 3 + at + (count === 1 ? MOST_MEMBERS : 0),
              ip_v4: `10.0.${count === 1 ? 9 : 1}.${at}`,
              or_port: 443,
              fingerprint_rsa: rsa,
              fingerprint_ed25519: "a".repeat(43)
            })
          }`
        }, { discard: true })
      yield* insert(MOST_MEMBERS)
      assert.strictEqual((yield* told).family?.members.length, MOST_MEMBERS)
      yield* insert(1)
      assert.isUndefined((yield* told).family)
      assert.strictEqual((yield* (yield* Family).members).length, MOST_MEMBERS + 1)
    }).pipe(Effect.provide(testApi())))

  it("is declared by key where tor knows how", () => {
    const [old, fresh] = [["0.4.8.12", "0.4.9.1-alpha-dev", "0.3.9.9"], [
      "0.4.9.2-alpha",
      "0.4.9.11",
      "0.4.10.1",
      "1.0.0.0"
    ]]
    assert.deepStrictEqual((old ?? []).map(takesFamilyId), [false, false, false])
    assert.isTrue([...fresh ?? [], null, "git"].every(takesFamilyId))
  })

  it("takes ids of 43 base64 characters", () => {
    for (const text of ["", "a".repeat(42), "a".repeat(44), `${"a".repeat(42)}=`, `${"a".repeat(42)}\n`]) {
      assert.isFalse(Schema.is(FamilyId)(text))
    }
  })
})
