import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { PoolAdministration } from "../src/allocate/PoolAdministration.ts"
import { poolFromText } from "../src/allocate/poolText.ts"
import { Generation } from "../src/generation/Generation.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { RelayAdministration } from "../src/relays/RelayAdministration.ts"
import { RelayRename } from "../src/relays/RelayRename.ts"
import { Relays } from "../src/relays/Relays.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { TorrcLayers } from "../src/torrc/TorrcLayers.ts"
import { enabledMany, network, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { refuseInserts } from "./rig/refuseInserts.ts"
import { runs } from "./rig/runs.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const report = {
  relays: [],
  tor_version: "0.4.9.11",
  generation: 1,
  rolled_back: null
}

const firstRelay = Effect.gen(function*() {
  const [relay] = yield* (yield* Relays).ofNode(node1)
  return relay === undefined ? yield* Effect.die("the node has no relay") : relay.name
})

const post = (path: string, body: unknown) =>
  Effect.gen(function*() {
    const answer = yield* (yield* TestApi).ask({ path, body, token: yield* tokenOf(node1) })
    assert.oneOf(answer.status, [200, 204])
  })

const get = (path: string) =>
  Effect.gen(function*() {
    assert.strictEqual((yield* (yield* TestApi).ask({ path, token: yield* tokenOf(node1) })).status, 200)
  })

const setEnabled = (enabled: boolean) =>
  Effect.gen(function*() {
    yield* (yield* Administration).setEnabled("test", node1, enabled)
  })

/** One more relay than there are, by the operator's number and the node's next report of its hardware. */
const raise = Effect.gen(function*() {
  const relays = yield* Relays
  const count = (yield* relays.ofNode(node1)).length
  yield* (yield* Administration).set("test", node1, "relays", String(count + 1))
  const before = yield* (yield* Generation).current
  yield* post("/private/specs", specs)
  assert.strictEqual((yield* relays.ofNode(node1)).length, count + 1)
  assert.strictEqual(yield* (yield* Generation).current, before, "only who asks is told of an allocation")
})

const changes = {
  "default torrc": Effect.flatMap(TorrcLayers, (layers) => layers.import("test", { of: "default" }, "ContactInfo a\n")),
  "node torrc": Effect.flatMap(
    TorrcLayers,
    (layers) => layers.import("test", { of: "node", id: node1 }, "NumCPUs 1\n")
  ),
  "relay torrc": Effect.gen(function*() {
    const name = yield* firstRelay
    yield* (yield* TorrcLayers).import("test", { of: "relay", name }, "ContactInfo b\n")
  }),
  network: Effect.flatMap(NetworkAdministration, (administration) => administration.set("test", network)),
  "node set geoip": Effect.flatMap(Administration, (administration) => administration.set("test", node1, "geoip", "on"))
    .pipe(
      Effect.asVoid
    ),
  "a pool more": Effect.gen(function*() {
    const pools = yield* PoolAdministration
    const number = (yield* pools.usage).length
    yield* pools.add("test", yield* Effect.fromResult(poolFromText(`198.51.100.${8 * number}/29`, [])))
  }),
  "a pool less": Effect.gen(function*() {
    const pools = yield* PoolAdministration
    yield* pools.add("test", yield* Effect.fromResult(poolFromText("203.0.113.0/24", [])))
    const before = yield* (yield* Generation).current
    const added = (yield* pools.usage).find(({ stored }) => String(stored.pool.first) === "203.0.113.0")
    yield* pools.remove("test", added?.stored.id ?? 0, false)
    assert.strictEqual(yield* (yield* Generation).current, before + 1)
  }),
  "a new name": Effect.gen(function*() {
    const name = yield* firstRelay
    yield* (yield* RelayRename).rename("test", name, `x${yield* (yield* Generation).current}`)
  }),
  "node set relays": raise,
  removal: Effect.gen(function*() {
    // One more first, so that there is always one left.
    yield* raise
    const name = yield* firstRelay
    const before = yield* (yield* Generation).current
    yield* (yield* RelayAdministration).remove("test", name)
    assert.strictEqual(yield* (yield* Generation).current, before + 1, "a removal is one change")
  })
}

const noChanges = {
  "reading the relays": get("/private/config/node"),
  "reading the node": get("/private/config/resolved/node"),
  "a report": post("/private/report", report),
  "the same hardware again": post("/private/specs", specs),
  "disabling and enabling": Effect.andThen(setEnabled(false), setEnabled(true)),
  "how relays are given": Effect.flatMap(
    PoolAdministration,
    (pools) => Effect.asVoid(pools.set("test", "quarantine", "8d"))
  ),
  "a torrc that is refused": Effect.gen(function*() {
    yield* Effect.flip((yield* TorrcLayers).import("test", { of: "default" }, "ControlPort 9051\n"))
  }),
  "looking at a removal": Effect.gen(function*() {
    yield* (yield* RelayAdministration).removal(yield* firstRelay)
  })
}

const keysOf = <K extends string>(record: Readonly<Record<K, unknown>>): ReadonlyArray<K> =>
  Object.keys(record).filter((key): key is K => key in record)

/** A node with relays, everything set. */
const settled = Effect.gen(function*() {
  yield* enabledMany(1)
  yield* (yield* NetworkAdministration).set("test", network)
  yield* post("/private/specs", specs)
})

describe("the generation", () => {
  const Life = Schema.Array(Schema.Literals([...keysOf(changes), ...keysOf(noChanges)])).pipe(
    Schema.check(Schema.isMaxLength(12))
  )
  const raises = (step: string): step is keyof typeof changes => step in changes

  it.effect.prop(
    "is higher after every change, and the same after everything else",
    [Life],
    ([life]) =>
      Effect.gen(function*() {
        const { ask } = yield* TestApi
        const { current } = yield* Generation
        yield* settled
        // Each once in any case, and then in whatever order.
        for (const step of [...keysOf(changes), ...keysOf(noChanges), ...life]) {
          const before = yield* current
          if (raises(step)) {
            yield* changes[step]
            assert.isAbove(yield* current, before, step)
          } else {
            yield* noChanges[step]
            assert.strictEqual(yield* current, before, step)
          }
          const told = yield* ask({ path: "/private/config/resolved/node", token: yield* tokenOf(node1) })
          assert.deepNestedInclude(told.body, { generation: yield* current })
        }
      }).pipe(Effect.provide(testApi())),
    runs(10)
  )

  it.effect("counts every one of many changes at once", () =>
    Effect.gen(function*() {
      yield* settled
      const { current } = yield* Generation
      const before = yield* current
      const steps = [changes["default torrc"], changes["node torrc"], changes.network, changes["node set geoip"]]
      yield* Effect.forEach(Array.from({ length: 10 }), () => Effect.all(steps, { concurrency: "unbounded" }), {
        concurrency: "unbounded"
      })
      assert.strictEqual(yield* current, before + 40)
    }).pipe(Effect.provide(testApi())))

  it.effect("stays where the change fails half-way, as all of it does", () =>
    Effect.gen(function*() {
      yield* settled
      const { rows } = yield* TestApi
      const undo = yield* refuseInserts("audit")
      const before = yield* rows
      assert.strictEqual((yield* Effect.flip(changes["default torrc"]))._tag, "StoreFailed")
      assert.strictEqual((yield* Effect.flip(changes.network))._tag, "StoreFailed")
      assert.strictEqual((yield* Effect.flip(changes["node set geoip"]))._tag, "StoreFailed")
      const name = yield* firstRelay
      const failed = yield* Effect.flip((yield* RelayAdministration).remove("test", name))
      assert.strictEqual(failed._tag, "StoreFailed")
      assert.strictEqual(yield* rows, before)
      yield* undo
      yield* changes.network
    }).pipe(Effect.provide(testApi())))
})
