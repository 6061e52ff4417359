import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import { NodesInTor } from "../src/mission/NodesInTor.ts"
import { relaysOnRecord } from "../src/mission/RelayOnRecord.ts"
import { runOk } from "../src/rig/Command.ts"
import { found, instead, waitFor } from "../src/rig/Deadline.ts"
import { TemporaryDirectory } from "../src/rig/TemporaryDirectory.ts"

/** Two nodes, one of them with eight relays on one address, for the tests of this file, which tell its story in order. */
class Story extends Context.Service<Story, NodesInTor>()("@patela/test/AuthoritiesStory") {
  static readonly layer = Layer.effect(
    Story,
    NodesInTor.make({ relays: [8, 1], told: [["pool", "set", "relays-per-address", "8"]] })
  )
}

const Status = Schema.fromJsonString(Schema.Struct({
  now: Schema.Array(
    Schema.Struct({ relay: Schema.String, ready: Schema.Boolean, missing: Schema.Array(Schema.String) })
  )
}))

const Family = Schema.fromJsonString(Schema.Struct({ keys: Schema.Array(Schema.Struct({ id: Schema.String })) }))

/** The public identities of the family, the newest first. */
const idsOf = Effect.fnUntraced(function*() {
  const { mission } = yield* Story
  const { keys } = yield* Effect.flatMap(mission.patela("family", "show", "--json"), Schema.decodeEffect(Family))
  return keys.map(({ id }) => `ed25519:${id}`)
})

/** Waits until the authorities hand out that every relay of ours declares just these families, and names all the others. */
const declared = Effect.fnUntraced(function*(ids: ReadonlyArray<string>) {
  const { authorities, mission } = yield* Story
  const record = yield* relaysOnRecord(mission)
  // Authorities name each relay in its own family too.
  const members = record.map(({ fingerprint }) => `$${fingerprint?.rsa}`).toSorted()
  const wanted = JSON.stringify({ ids: ids.toSorted(), members })
  yield* waitFor(
    `the authorities to hand out ${ids.join(" ")} of every relay`,
    Effect.gen(function*() {
      const newest = (yield* authorities.consensuses).at(-1)
      const families = newest === undefined ? new Map() : yield* authorities.families(newest)
      const seen = record.map(({ name }) => JSON.stringify(families.get(name)))
      return seen.every((text) => text === wanted) ? found(undefined) : instead(seen.join("\n"))
    }),
    // A vote, and the one after it, on a machine that has other work.
    { within: "2 minutes", every: "500 millis" }
  )
})

/** Since when each relay runs, as what process. */
const processes = Effect.fnUntraced(function*() {
  const { machines } = yield* Story
  return yield* Effect.forEach(
    machines,
    ({ node }) => node.execOk(["systemctl", "show", "--property=Id,MainPID,InvocationID,ActiveState", "tor@*"])
  )
})

layer(Story.layer, { excludeTestServices: true, timeout: 600_000 })("the directory authorities", (it) => {
  it.effect("list eight relays of one address, each on its port, and each is ready", () =>
    Effect.gen(function*() {
      const { listed, machines, mission } = yield* Story
      const relays = yield* listed
      const record = yield* relaysOnRecord(mission)
      for (const { fingerprint, ip_v4, ip_v6, name, or_port } of record) {
        assert.deepInclude(relays.get(name), {
          nickname: name,
          fingerprint: fingerprint?.rsa ?? "",
          v4: `${ip_v4}:${or_port}`,
          v6: `[${ip_v6}]:${or_port}`
        })
      }
      const first = record.filter(({ node }) => node === 1)
      assert.strictEqual(new Set(first.map(({ ip_v4 }) => ip_v4)).size, 1)
      assert.deepStrictEqual(first.map(({ or_port }) => or_port), [443, 9001, 9002, 9003, 9004, 9005, 9006, 9007])
      for (const { agent } of machines) {
        yield* waitFor(
          "every relay to be ready",
          Effect.gen(function*() {
            const { now } = yield* Schema.decodeEffect(Status)((yield* agent("status", "--json")).stdout)
            return now.every(({ ready }) => ready) ? found(undefined) : instead(JSON.stringify(now))
          }),
          { within: "2 minutes", every: "500 millis" }
        )
      }
    }))

  it.effect("take the family that tor made and the relays declare, from relays that run on", () =>
    Effect.gen(function*() {
      const { mission } = yield* Story
      const before = yield* processes()
      const folder = yield* TemporaryDirectory.make("family")
      yield* runOk(["sh", "-c", `cd ${folder} && tor --keygen-family ours --quiet`])
      const id = (yield* runOk(["cat", `${folder}/ours.public_family_id`])).trim()
      yield* mission.patela("family", "import", `${folder}/ours.secret_family_key`)
      assert.deepStrictEqual(yield* idsOf(), [`ed25519:${id}`])
      yield* declared([`ed25519:${id}`])
      assert.deepStrictEqual(yield* processes(), before)
    }).pipe(Effect.scoped))

  // Their descriptors are minutes old, and authorities do not replace such a one for its family alone.
  it.effect("hear of a rotation, and that the old key is retired, from relays that run on", () =>
    Effect.gen(function*() {
      const { mission } = yield* Story
      const before = yield* processes()
      const [old] = yield* idsOf()
      yield* mission.patela("family", "rotate")
      const both = yield* idsOf()
      assert.strictEqual(both.length, 2)
      assert.include(both, old)
      yield* declared(both)

      yield* mission.patela("family", "retire")
      const [left, ...none] = yield* idsOf()
      assert.deepStrictEqual([left, none], [both.find((id) => id !== old), []])
      yield* declared(left === undefined ? [] : [left])
      assert.deepStrictEqual(yield* processes(), before)
    }))
})
