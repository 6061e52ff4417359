import type { FamilyId } from "@patela/domain/family/FamilyId"
import type { ImagePolicyText } from "@patela/domain/node/NodeConfig"
import { Context, Effect, Layer, Option, Ref } from "effect"
import { SqlClient } from "effect/sql"
import type { AllPools } from "../allocate/PoolRow.ts"
import { Pools } from "../allocate/Pools.ts"
import { FamilyKeys } from "../family/FamilyKeys.ts"
import { type FamilySwitch, FamilySwitches } from "../family/FamilySwitches.ts"
import { Generation } from "../generation/Generation.ts"
import type { StoreFailed } from "../store/StoreFailed.ts"
import { layerReader, resolveTorrc } from "../torrc/resolveTorrc.ts"
import type { NetworkSettings } from "./NetworkSettings.ts"
import { Settings } from "./Settings.ts"

/** What is the same for every node, as of a generation. */
export interface Fleet {
  readonly generation: number
  readonly torrc: string
  /** What the torrc of a relay comes to that has no layer of its own, and whose node has none. */
  readonly plainTorrc: string
  readonly network: NetworkSettings | undefined
  readonly pools: AllPools
  readonly imagePolicy: ImagePolicyText | undefined
  readonly family: FamilySwitch & { readonly keys: ReadonlyArray<FamilyId> }
}

/**
 * What is the same for every node. Whatever of it is changed raises the generation, so it is read once for each of those,
 * and not once for each node.
 */
export class FleetSettings
  extends Context.Service<FleetSettings, { readonly now: Effect.Effect<Fleet, StoreFailed> }>()(
    "@patela/server/settings/FleetSettings"
  )
{
  static readonly layer = Layer.effect(
    FleetSettings,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const generation = yield* Generation
      const settings = yield* Settings
      const pools = yield* Pools
      const keys = yield* FamilyKeys
      const switches = yield* FamilySwitches
      const known = yield* Ref.make<Fleet | undefined>(undefined)

      const read = Effect.fnUntraced(function*(current: number) {
        const torrc = Option.getOrElse(yield* settings.torrc, () => "")
        const network = Option.getOrUndefined(yield* settings.network)
        const layers = { global: torrc, node: "", relay: "" }
        return {
          generation: current,
          torrc,
          plainTorrc: resolveTorrc(layers, layerReader(network?.test_network === true)),
          network,
          pools: yield* pools.all,
          imagePolicy: Option.getOrUndefined(yield* settings.imagePolicy),
          family: { ...yield* switches.read, keys: (yield* keys.list).map(({ family_id }) => family_id) }
        } satisfies Fleet
      })

      const now = Effect.gen(function*() {
        // First: should a change come between, the answer is newer than it says, and asked for again; never older.
        const current = yield* generation.current
        // A transaction may have changed something, and counts it at its end only.
        if (Option.isSome(yield* Effect.serviceOption(sql.transactionService))) return yield* read(current)
        const before = yield* Ref.get(known)
        if (before?.generation === current) return before
        const fleet = yield* read(current)
        yield* Ref.set(known, fleet)
        return fleet
      })

      return FleetSettings.of({ now })
    })
  )
}
