import { Context, Effect, Layer, Option, Schema } from "effect"
import { ConfigChange } from "../generation/ConfigChange.ts"
import { settingRows } from "../settings/settingRows.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"

/** By what relays declare their family. `id`: by its key, FamilyId. `members`: by naming each other, MyFamily. */
export const FamilySwitch = Schema.Struct({ id: Schema.Boolean, members: Schema.Boolean })
export type FamilySwitch = typeof FamilySwitch.Type

export const SWITCHES = ["id", "members"] as const

const OFF: FamilySwitch = { id: false, members: false }

/** Both are off until there is a family. */
export class FamilySwitches extends Context.Service<FamilySwitches, {
  readonly read: Effect.Effect<FamilySwitch, StoreFailed>
  readonly save: (switches: FamilySwitch) => Effect.Effect<void, StoreFailed, ConfigChange>
}>()("@patela/server/family/FamilySwitches") {
  static readonly layer = Layer.effect(
    FamilySwitches,
    Effect.gen(function*() {
      const Text = Schema.fromJsonString(FamilySwitch)
      const rows = yield* settingRows(Text)
      const read = rows.read("family").pipe(
        Effect.map(Option.match({ onNone: () => OFF, onSome: ({ value }) => value })),
        asStoreFailed("read the settings of the family")
      )
      const save = Effect.fn("FamilySwitches.save")(function*(switches: FamilySwitch) {
        yield* ConfigChange.counted
        yield* rows.write("family", yield* Schema.encodeEffect(Text)(switches))
      }, asStoreFailed("store the settings of the family"))
      return FamilySwitches.of({ read, save })
    })
  )
}
