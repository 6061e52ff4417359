import { FamilyId } from "@patela/domain/family/FamilyId"
import { familyIdOf, type FamilySecret, familySecretFromBytes } from "@patela/domain/family/FamilySecret"
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { ConfigChange } from "../generation/ConfigChange.ts"
import { now, Whole } from "../store/Column.ts"
import { asStoreFailed, StoreFailed } from "../store/StoreFailed.ts"

/** A key of the family without its secret. `made_at` is when it came here. */
export const FamilyKeyRow = Schema.Struct({ serial: Whole, family_id: FamilyId, made_at: Schema.String })
export type FamilyKeyRow = typeof FamilyKeyRow.Type

const SecretRow = Schema.Struct({
  family_id: FamilyId,
  secret: Schema.RedactedFromValue(
    Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{128}$/, { message: "a secret is 128 hex digits" }))),
    { label: "FamilySecret" }
  )
})

/** The keys of the fleet's family. A secret is read only to be sealed to a node. */
export class FamilyKeys extends Context.Service<FamilyKeys, {
  /** The newest first, which is the one of now. */
  readonly list: Effect.Effect<ReadonlyArray<FamilyKeyRow>, StoreFailed>
  readonly secrets: Effect.Effect<ReadonlyMap<FamilyId, FamilySecret>, StoreFailed>
  /** Becomes the key of now, beside those that are there. */
  readonly add: (secret: FamilySecret) => Effect.Effect<FamilyId, StoreFailed, ConfigChange>
  /** Drops every key but the one of now. */
  readonly dropOlder: Effect.Effect<void, StoreFailed, ConfigChange>
}>()("@patela/server/family/FamilyKeys") {
  static readonly layer = Layer.effect(
    FamilyKeys,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const rows = SqlSchema.findAll({
        Request: Schema.Void,
        Result: FamilyKeyRow,
        execute: () => sql`SELECT serial, family_id, made_at FROM family_keys ORDER BY serial DESC`
      })
      const withSecrets = SqlSchema.findAll({
        Request: Schema.Void,
        Result: SecretRow,
        execute: () => sql`SELECT family_id, secret FROM family_keys`
      })

      const secrets = Effect.gen(function*() {
        const found = yield* withSecrets()
        const read = yield* Effect.forEach(found, ({ family_id, secret }) =>
          Effect.map(
            Effect.fromResult(familySecretFromBytes(Buffer.from(Redacted.value(secret), "hex"))).pipe(
              Effect.mapError(({ message }) =>
                new StoreFailed({ message: `The key of the family ${family_id} in the database is none: ${message}.` })
              )
            ),
            (each) => [family_id, each] as const
          ))
        return new Map(read)
      }).pipe(asStoreFailed("read the keys of the family"))

      const add = Effect.fn("FamilyKeys.add")(function*(secret: FamilySecret) {
        yield* ConfigChange.counted
        const [newest] = yield* rows()
        const family_id = familyIdOf(secret)
        yield* sql`INSERT INTO family_keys ${
          sql.insert({
            serial: (newest?.serial ?? 0) + 1,
            family_id,
            secret: Buffer.from(Redacted.value(secret)).toString("hex"),
            made_at: yield* now
          })
        }`
        return family_id
      }, asStoreFailed("store a key of the family"))

      const dropOlder = Effect.gen(function*() {
        yield* ConfigChange.counted
        yield* sql`DELETE FROM family_keys WHERE serial < (SELECT MAX(serial) FROM family_keys)`
      }).pipe(asStoreFailed("drop the older keys of the family"))

      return FamilyKeys.of({
        list: rows().pipe(asStoreFailed("list the keys of the family")),
        secrets,
        add,
        dropOlder
      })
    })
  )
}
