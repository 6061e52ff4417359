import { FAMILY_KEYS, type FamilyId } from "@patela/domain/family/FamilyId"
import { familyIdOf, type FamilySecret } from "@patela/domain/family/FamilySecret"
import { Context, Effect, Layer, Schema } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { configurationStateOf } from "../nodes/NodeView.ts"
import { sqlAsStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { FamilyKeys } from "./FamilyKeys.ts"
import { type FamilySwitch, FamilySwitches } from "./FamilySwitches.ts"

/** The family is not in a state for what was asked. Nothing was changed; the message says what to do. */
export class FamilyRefused extends Schema.TaggedError<FamilyRefused>()("FamilyRefused", { message: Schema.String }) {}

/** What people decide about the fleet's family. Each change and its entry in the audit log are one transaction. */
export class FamilyAdministration extends Context.Service<FamilyAdministration, {
  /** The first key; relays then declare the family both ways. */
  readonly begin: (
    who: string,
    how: "created" | "imported",
    secret: FamilySecret
  ) => Effect.Effect<FamilyId, FamilyRefused | StoreFailed>
  /** A new key beside the one of now. Relays declare both until `retire`. */
  readonly rotate: (who: string, secret: FamilySecret) => Effect.Effect<FamilyId, FamilyRefused | StoreFailed>
  /** Ends a rotation: the older key is dropped. Refused while a node may not have the newer one, unless `anyway`. */
  readonly retire: (
    who: string,
    options: { readonly anyway: boolean }
  ) => Effect.Effect<FamilyId, FamilyRefused | StoreFailed>
  /** Whether anything changed. */
  readonly turn: (
    who: string,
    what: keyof FamilySwitch,
    on: boolean
  ) => Effect.Effect<boolean, FamilyRefused | StoreFailed>
}>()("@patela/server/family/FamilyAdministration") {
  static readonly layer = Layer.effect(
    FamilyAdministration,
    Effect.gen(function*() {
      const generation = yield* Generation
      const nodes = yield* Nodes
      const keys = yield* FamilyKeys
      const switches = yield* FamilySwitches
      const audit = yield* Audit

      const begin = Effect.fn("FamilyAdministration.begin")(
        function*(who: string, how: "created" | "imported", secret: FamilySecret) {
          const [now] = yield* keys.list
          if (now !== undefined) return yield* refused(`There is a family already, ${now.family_id}. ${ROTATE}`)
          const id = yield* keys.add(secret)
          yield* switches.save({ id: true, members: true })
          yield* audit.record({ who, what: `family ${how}`, before: null, after: id })
          return id
        },
        generation.change,
        sqlAsStoreFailed("store the family")
      )

      const rotate = Effect.fn("FamilyAdministration.rotate")(
        function*(who: string, secret: FamilySecret) {
          const [now, ...older] = yield* keys.list
          if (now === undefined) return yield* refused(`There is no family to rotate the key of. ${CREATE}`)
          if (older.length >= FAMILY_KEYS - 1) {
            return yield* refused("A rotation is under way. Finish it first: patela family retire")
          }
          if (now.family_id === familyIdOf(secret)) return yield* refused("That is the family's key already.")
          const id = yield* keys.add(secret)
          yield* audit.record({ who, what: "family rotated", before: now.family_id, after: id })
          return id
        },
        generation.change,
        sqlAsStoreFailed("rotate the family's key")
      )

      /** Nodes whose relays may not declare the newest key yet. */
      const without = Effect.gen(function*() {
        const current = yield* generation.current
        return (yield* nodes.list).filter((node) => node.enabled && configurationStateOf(node, current) !== "current")
      })

      const retire = Effect.fn("FamilyAdministration.retire")(
        function*(who: string, { anyway }: { readonly anyway: boolean }) {
          const [now, older] = yield* keys.list
          if (now === undefined || older === undefined) {
            return yield* refused("No rotation is under way, so there is no older key to drop.")
          }
          const behind = anyway ? [] : yield* without
          if (behind.length > 0) {
            const some = behind.slice(0, SHOWN).map(({ id }) => id).join(", ")
            return yield* refused(
              `${behind.length} enabled nodes are not at the newest configuration and may not have the new key: ` +
                `${some}${
                  behind.length > SHOWN ? ", ..." : ""
                }. Wait for them (patela list node behind), or say --anyway: ` +
                "until they come, their relays and the others then do not belong to one family"
            )
          }
          yield* keys.dropOlder
          yield* audit.record({ who, what: "family: older key dropped", before: older.family_id, after: now.family_id })
          return older.family_id
        },
        generation.change,
        sqlAsStoreFailed("drop the family's older key")
      )

      const turn = Effect.fn("FamilyAdministration.turn")(
        function*(who: string, what: keyof FamilySwitch, on: boolean) {
          if (what === "id" && on && (yield* keys.list).length === 0) {
            return yield* refused(`There is no family to declare. ${CREATE}`)
          }
          const before = yield* switches.read
          if (before[what] === on) return false
          const after = { ...before, [what]: on }
          yield* switches.save(after)
          const text = JSON.stringify
          yield* audit.record({
            who,
            what: `family ${what} ${on ? "on" : "off"}`,
            before: text(before),
            after: text(after)
          })
          return true
        },
        generation.change,
        sqlAsStoreFailed("set how relays declare the family")
      )

      return FamilyAdministration.of({ begin, rotate, retire, turn })
    })
  )
}

/** So many nodes are named in a message. */
const SHOWN = 10

const CREATE = "Make one with `patela family create`, or take over one with `patela family import FILE`"
const ROTATE = "A new key comes beside it with: patela family rotate"

const refused = (message: string) => new FamilyRefused({ message })
