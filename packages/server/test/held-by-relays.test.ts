import { assert, describe, it } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { ConfigChange } from "../src/generation/ConfigChange.ts"
import { Relays } from "../src/relays/Relays.ts"
import { enlistMany, node1 } from "./rig/Fleet.ts"
import { runs } from "./rig/runs.ts"
import { testApi } from "./rig/TestApi.ts"

const Step = Schema.Struct({
  what: Schema.Literals(["insert", "insert two", "rename", "delete", "by an older server"]),
  where: Schema.Literals(["here", "elsewhere"]),
  kept: Schema.Boolean
})

const relay = (at: number) => ({
  node_id: node1,
  name: RelayName.make(`toma${at + 2}`),
  slot: Slot.make(at),
  ip_v4: Schema.decodeSync(Ipv4)(`192.0.2.${at + 10}`),
  ip_v6: null,
  or_port: 443,
  dir_port: null
})

const held = Effect.gen(function*() {
  const { addresses, names } = yield* (yield* Relays).held
  return { names: [...names].sort(), addresses: [...addresses].sort() }
})

const step = Effect.fnUntraced(function*({ what }: typeof Step.Type, at: number) {
  const relays = yield* Relays
  const sql = yield* SqlClient.SqlClient
  if (what === "insert") return yield* relays.insert([relay(2 * at)])
  if (what === "insert two") return yield* relays.insert([relay(2 * at), relay(2 * at + 1)])
  if (what === "by an older server") {
    return yield* sql`INSERT INTO relays ${sql.insert(relay(2 * at))}`
  }
  const [first] = yield* relays.list
  if (first === undefined) return
  if (what === "delete") return yield* relays.delete(first.name)
  yield* relays.rename(first.name, RelayName.make(`brie${at + 2}`), [])
}, Effect.provideService(ConfigChange, { counted: Effect.void }))

describe("what relays have", () => {
  it.effect.prop(
    "law: is known as it is, whoever changed it and whatever was taken back",
    [Schema.Array(Step).pipe(Schema.check(Schema.isMaxLength(15)))],
    ([steps]) =>
      Effect.gen(function*() {
        yield* enlistMany(1)
        const sql = yield* SqlClient.SqlClient
        const elsewhere = yield* Layer.build(Layer.fresh(Relays.layer))
        for (const [at, one] of steps.entries()) {
          const change = Effect.gen(function*() {
            // Each allocation looks first, and changes then.
            yield* held
            yield* step(one, at)
            yield* held
            if (!one.kept) return yield* Effect.fail("taken back")
          })
          const done = sql.withTransaction(change).pipe(Effect.ignore)
          yield* one.where === "here" ? done : Effect.provide(done, elsewhere)
          const now = yield* Effect.provide(held, Layer.fresh(Relays.layer))
          assert.deepStrictEqual(yield* held, now)
          assert.deepStrictEqual(yield* Effect.provide(held, elsewhere), now)
        }
      }).pipe(Effect.provide(testApi())),
    runs(100)
  )
})
