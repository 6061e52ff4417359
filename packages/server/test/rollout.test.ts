import { assert, describe, it } from "@effect/vitest"
import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Option, Schema } from "effect"
import { Generation } from "../src/generation/Generation.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { NodeRemoval } from "../src/nodes/NodeRemoval.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { RelayAdministration } from "../src/relays/RelayAdministration.ts"
import { RelayRename } from "../src/relays/RelayRename.ts"
import { Rollout } from "../src/rollout/Rollout.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { TorrcLayers } from "../src/torrc/TorrcLayers.ts"
import { enabledMany, network, specs, tokenOf } from "./rig/Fleet.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const Relays = Schema.Array(Schema.Struct({ name: Schema.String, torrc: Schema.String, fingerprint: Schema.Unknown }))
const Told = Schema.Struct({ generation: Schema.Int })

/** Three enabled nodes with relays, each with what it asks. */
const fleet = Effect.gen(function*() {
  const { ask } = yield* TestApi
  yield* (yield* NetworkAdministration).set("test", network)
  const nodes = yield* enabledMany(3)
  return yield* Effect.forEach(nodes, ({ id, token }) =>
    Effect.gen(function*() {
      yield* ask({ path: "/private/specs", body: specs, token })
      const relays = ask({ path: "/private/config/node", token }).pipe(
        Effect.flatMap(({ body }) => Effect.orDie(Schema.decodeUnknownEffect(Relays)(body)))
      )
      const told = ask({ path: "/private/config/resolved/node", token }).pipe(
        Effect.flatMap(({ body }) => Effect.orDie(Schema.decodeUnknownEffect(Told)(body)))
      )
      /** As an agent that was brought to what it is told now. */
      const report = (more: { readonly blocked?: string; readonly rolled_back?: string; readonly rsa?: string } = {}) =>
        Effect.gen(function*() {
          const names = (yield* relays).map(({ name }) => name)
          const { generation } = yield* told
          const body = {
            relays: names.map((name) => ({
              name,
              fingerprint: { rsa: (more.rsa ?? "A").repeat(40), ed25519: "a".repeat(43) },
              blocked: more.blocked ?? null
            })),
            tor_version: "0.4.9.11",
            generation,
            rolled_back: more.rolled_back ?? null
          }
          assert.strictEqual((yield* ask({ path: "/private/report", token, body })).status, 204)
        })
      return { id, relays, report, told, token }
    }))
})

const contact = (text: string) =>
  Effect.flatMap(TorrcLayers, (layers) => layers.import("test", { of: "default" }, `ContactInfo ${text}\n`))

const verdicts = Effect.gen(function*() {
  const standing = yield* (yield* Rollout).standing
  return Option.map(standing, ({ held, released }) => ({
    held: held.map(Number),
    released: released.map(({ node, verdict }) => `${node} ${verdict.verdict}`)
  })).pipe(Option.getOrUndefined)
})

describe("a rollout", () => {
  it.effect("lets nodes see a change some at a time; the others are told what they were, with the same entity tags", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const rollout = yield* Rollout
      yield* contact("old")
      const nodes = yield* fleet
      assert.isUndefined(yield* verdicts)
      const [first, second, third] = nodes
      if (first === undefined || second === undefined || third === undefined) return assert.fail()
      const tags = (token: string) =>
        Effect.forEach(
          ["/private/config/node", "/private/config/resolved/node"],
          (path) => Effect.map(ask({ path, token }), ({ etag }) => etag)
        )
      const before = yield* Effect.forEach(nodes, ({ token }) => tags(token))
      assert.strictEqual(yield* rollout.begin("test"), 3)
      assert.include((yield* Effect.flip(rollout.begin("test"))).message, "under way")
      yield* contact("new")
      yield* (yield* NetworkAdministration).set("test", { ...network, geoip: true })
      assert.deepStrictEqual(yield* Effect.forEach(nodes, ({ token }) => tags(token)), before)

      assert.deepStrictEqual((yield* rollout.release("test", 1)).map(Number), [1])
      assert.deepStrictEqual(yield* verdicts, { held: [2, 3], released: ["1 waiting"] })
      for (const relay of yield* first.relays) assert.include(relay.torrc, "new")
      for (const relay of yield* second.relays) assert.include(relay.torrc, "old")
      assert.strictEqual((yield* first.told).generation, yield* (yield* Generation).current)
      // A report of a node that is held is of what it is held at.
      yield* second.report()
      yield* first.report({ blocked: "no address" })
      assert.deepStrictEqual(yield* verdicts, { held: [2, 3], released: ["1 waiting"] })
      yield* first.report()
      assert.deepStrictEqual(yield* verdicts, { held: [2, 3], released: ["1 good"] })

      yield* rollout.release("test", 1)
      yield* second.report({ rolled_back: "the server was cut off" })
      assert.deepStrictEqual(yield* verdicts, { held: [3], released: ["1 good", "2 failed"] })
      for (const relay of yield* third.relays) assert.include(relay.torrc, "old")
      yield* contact("mended")
      yield* second.report()
      assert.deepStrictEqual(yield* verdicts, { held: [3], released: ["1 good", "2 good"] })
      assert.strictEqual(yield* rollout.end("test"), 1)
      for (const relay of yield* third.relays) assert.include(relay.torrc, "mended")
      assert.isUndefined(yield* verdicts)
      assert.include((yield* Effect.flip(rollout.release("test", 1))).message, "patela rollout begin")
    }).pipe(Effect.provide(testApi())))

  it.effect("tells a held node nothing more of a relay that it has no longer, and what it was of one that was renamed", () =>
    Effect.gen(function*() {
      const [first] = yield* fleet
      const [gone, renamed, ...others] = first === undefined ? [] : yield* first.relays
      if (first === undefined || gone === undefined || renamed === undefined) return assert.fail("two relays or more")
      yield* (yield* Rollout).begin("test")
      yield* (yield* RelayAdministration).remove("test", RelayName.make(gone.name))
      yield* (yield* RelayRename).rename("test", RelayName.make(renamed.name), RelayName.make("emmental"))
      const names = (yield* first.relays).map(({ name }) => name)
      assert.deepStrictEqual(names, [renamed, ...others].map(({ name }) => name))
    }).pipe(Effect.provide(testApi())))

  it.effect("tells a held node of fingerprints that are on record since, and sees other keys as a failure", () =>
    Effect.gen(function*() {
      const rollout = yield* Rollout
      const [first] = yield* fleet
      if (first === undefined) return assert.fail()
      yield* rollout.begin("test")
      assert.isTrue((yield* first.relays).every(({ fingerprint }) => fingerprint === null))
      yield* first.report()
      assert.isTrue((yield* first.relays).every(({ fingerprint }) => fingerprint !== null))
      yield* rollout.release("test", 1)
      yield* first.report({ rsa: "B" })
      assert.deepStrictEqual(yield* verdicts, { held: [2, 3], released: ["1 failed"] })
      // Nobody waits for one that a person shut out.
      yield* (yield* Administration).setEnabled("test", first.id, false)
      assert.deepStrictEqual(yield* verdicts, { held: [2, 3], released: ["1 good"] })
      // One that is removed is of no rollout any more.
      const removal = yield* NodeRemoval
      for (const id of [1, 2]) yield* removal.remove("test", NodeId.make(id))
      assert.deepStrictEqual(yield* verdicts, { held: [3], released: [] })
    }).pipe(Effect.provide(testApi())))

  it.effect("does not hold a machine that is enabled meanwhile", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      yield* contact("old")
      yield* fleet
      yield* (yield* Rollout).begin("test")
      yield* contact("new")
      const nodes = yield* Nodes
      const fresh = Option.getOrThrow(
        yield* nodes.enlist({ ek_public: "e9", ak_public: "a9", ak_name: "n9" }, { machines: 10, days: 30 })
      )
      yield* (yield* Administration).setEnabled("test", fresh.id, true)
      const token = yield* tokenOf(fresh.id)
      yield* ask({ path: "/private/specs", body: specs, token })
      assert.include((yield* ask({ path: "/private/config/node", token })).text, "new")
    }).pipe(Effect.provide(testApi())))
})
