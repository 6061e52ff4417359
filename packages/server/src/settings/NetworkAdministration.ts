import { Context, Effect, Layer, Option } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import type { NetworkSettings } from "./NetworkSettings.ts"
import { Settings } from "./Settings.ts"

/** Sets the relay network; the change and its entry in the audit log are one transaction. */
export class NetworkAdministration extends Context.Service<NetworkAdministration, {
  readonly set: (who: string, network: NetworkSettings) => Effect.Effect<void, StoreFailed>
}>()("@patela/server/settings/NetworkAdministration") {
  static readonly layer = Layer.effect(
    NetworkAdministration,
    Effect.gen(function*() {
      const generation = yield* Generation
      const settings = yield* Settings
      const audit = yield* Audit
      return NetworkAdministration.of({
        set: Effect.fn("NetworkAdministration.set")(
          function*(who: string, network: NetworkSettings) {
            const before = Option.getOrNull(yield* settings.network)
            yield* settings.saveNetwork(network)
            yield* audit.record({
              who,
              what: "network set",
              before: before === null ? null : JSON.stringify(before),
              after: JSON.stringify(network)
            })
          },
          generation.change,
          asStoreFailed("set the network")
        )
      })
    })
  )
}
