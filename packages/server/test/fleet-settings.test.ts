import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { PoolAdministration } from "../src/allocate/PoolAdministration.ts"
import { poolFromText } from "../src/allocate/poolText.ts"
import { ConfigChange } from "../src/generation/ConfigChange.ts"
import { Generation } from "../src/generation/Generation.ts"
import { FleetSettings } from "../src/settings/FleetSettings.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { Settings } from "../src/settings/Settings.ts"
import { TorrcLayers } from "../src/torrc/TorrcLayers.ts"
import { network } from "./rig/Fleet.ts"
import { runs } from "./rig/runs.ts"
import { testApi } from "./rig/TestApi.ts"

const Step = Schema.Literals(["torrc", "network", "pool", "a look"])

/** What of it a step changes. */
const change = Effect.fnUntraced(function*(step: typeof Step.Type, at: number) {
  if (step === "torrc") yield* (yield* TorrcLayers).import("test", { of: "default" }, `ContactInfo a${at}\n`)
  if (step === "network") yield* (yield* NetworkAdministration).set("test", { ...network, geoip: at % 2 === 0 })
  if (step === "pool") {
    const pool = yield* Effect.fromResult(poolFromText(`198.51.100.${8 * at}/29`, []))
    yield* (yield* PoolAdministration).add("test", pool)
  }
})

const told = Effect.gen(function*() {
  const { generation, network: net, plainTorrc, pools } = yield* (yield* FleetSettings).now
  return { generation, net, plainTorrc, pools: pools.v4.map(({ title }) => title) }
})

describe("what is the same for every node", () => {
  it.effect.prop(
    "is always that of now, whoever changed it and whatever was looked at before",
    [Schema.Array(Schema.Struct({ step: Step, here: Schema.Boolean })).pipe(Schema.check(Schema.isMaxLength(12)))],
    ([steps]) =>
      Effect.gen(function*() {
        // Another one, which knows of this one by the database alone, and one that remembers nothing.
        const other = Layer.fresh(FleetSettings.layer)
        const elsewhere = yield* Layer.build(other)
        for (const [at, { here, step }] of steps.entries()) {
          yield* change(step, at)
          const [first, second] = here
            ? [told, Effect.provide(told, elsewhere)]
            : [Effect.provide(told, elsewhere), told]
          const now = yield* first
          assert.deepStrictEqual(yield* second, now)
          assert.deepStrictEqual(yield* Effect.provide(told, Layer.fresh(FleetSettings.layer)), now)
        }
      }).pipe(Effect.provide(testApi())),
    runs(20)
  )

  it.effect("is not remembered of a transaction that changed it and failed", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const generation = yield* Generation
      yield* change("torrc", 1)
      const before = yield* told
      yield* Effect.ignore(sql.withTransaction(Effect.gen(function*() {
        const settings = yield* Settings
        yield* settings.saveTorrc("ContactInfo other\n").pipe(
          Effect.provideService(ConfigChange, { counted: Effect.void })
        )
        assert.strictEqual((yield* told).plainTorrc, "ContactInfo \"other\"\n")
        return yield* Effect.fail("no")
      })))
      assert.deepStrictEqual(yield* told, before)
      assert.strictEqual(yield* generation.current, before.generation)
      assert.isTrue(Option.isSome(yield* (yield* Settings).torrc))
    }).pipe(Effect.provide(testApi())))
})
