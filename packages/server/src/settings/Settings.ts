import { ImagePolicyText } from "@patela/domain/node/NodeConfig"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { ConfigChange } from "../generation/ConfigChange.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { NetworkSettings } from "./NetworkSettings.ts"
import { settingRows } from "./settingRows.ts"

/** What holds for all nodes: the default torrc layer and the network. None until the operator set them. */
export class Settings extends Context.Service<Settings, {
  readonly torrc: Effect.Effect<Option.Option<string>, StoreFailed>
  readonly saveTorrc: (torrc: string) => Effect.Effect<void, StoreFailed, ConfigChange>
  readonly network: Effect.Effect<Option.Option<NetworkSettings>, StoreFailed>
  readonly saveNetwork: (network: NetworkSettings) => Effect.Effect<void, StoreFailed, ConfigChange>
  /** Which images may open the key stores of nodes. */
  readonly imagePolicy: Effect.Effect<Option.Option<ImagePolicyText>, StoreFailed>
  readonly saveImagePolicy: (policy: ImagePolicyText) => Effect.Effect<void, StoreFailed, ConfigChange>
}>()("@patela/server/settings/Settings") {
  static readonly layer = Layer.effect(
    Settings,
    Effect.gen(function*() {
      const Images = Schema.fromJsonString(ImagePolicyText)
      const Network = Schema.fromJsonString(NetworkSettings)
      const rows = yield* settingRows(Schema.String)
      const { read } = rows
      // Every setting here reaches the nodes.
      const write = (name: string, value: string) => Effect.andThen(ConfigChange.counted, rows.write(name, value))

      const torrc = Effect.map(read("torrc"), Option.map(({ value }) => value)).pipe(
        asStoreFailed("read the default torrc")
      )
      const network = Effect.gen(function*() {
        const row = yield* read("network")
        return Option.isNone(row)
          ? Option.none<NetworkSettings>()
          : Option.some(yield* Schema.decodeEffect(Network)(row.value.value))
      }).pipe(asStoreFailed("read the network settings"))

      const imagePolicy = Effect.gen(function*() {
        const row = yield* read("image_policy")
        return Option.isNone(row)
          ? Option.none<ImagePolicyText>()
          : Option.some(yield* Schema.decodeEffect(Images)(row.value.value))
      }).pipe(asStoreFailed("read the image policy"))

      const saveTorrc = Effect.fn("Settings.saveTorrc")(function*(text: string) {
        yield* write("torrc", text)
      }, asStoreFailed("store the default torrc"))

      const saveNetwork = Effect.fn("Settings.saveNetwork")(function*(settings: NetworkSettings) {
        yield* write("network", yield* Schema.encodeEffect(Network)(settings))
      }, asStoreFailed("store the network settings"))

      const saveImagePolicy = Effect.fn("Settings.saveImagePolicy")(function*(policy: ImagePolicyText) {
        yield* write("image_policy", yield* Schema.encodeEffect(Images)(policy))
      }, asStoreFailed("store the image policy"))

      return Settings.of({ torrc, saveTorrc, network, saveNetwork, imagePolicy, saveImagePolicy })
    })
  )
}
