import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { RUNTIME_DIRECTORY } from "@patela/reconcilers/host/HostPaths"
import { ReplaceFile } from "@patela/reconcilers/host/ReplaceFile"
import { Context, Effect, Layer, type Option, Schema } from "effect"
import * as fs from "node:fs/promises"

/** Where the last good configuration is kept: in memory, root's alone, gone with the boot. Torrc lines may be secrets. */
export const CONFIG_PATH = `${RUNTIME_DIRECTORY}/config.json`

const Text = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), config: NodeConfig }))

/**
 * The last configuration that was applied and left the server within reach. It is what is enforced after a new one was
 * taken back, and by an agent that starts while the server is away.
 */
export class KeptConfig extends Context.Service<KeptConfig, {
  /** None where there is none, or none that can be understood. */
  readonly read: Effect.Effect<Option.Option<NodeConfig>>
}>()("@patela/agent/host/KeptConfig") {
  static readonly layerAt = (path: string) =>
    Layer.succeed(
      KeptConfig,
      KeptConfig.of({
        read: Effect.tryPromise(() => fs.readFile(path, "utf8")).pipe(
          Effect.flatMap(Schema.decodeEffect(Text)),
          Effect.map(({ config }) => config),
          Effect.option
        )
      })
    )

  static readonly layer = KeptConfig.layerAt(CONFIG_PATH)
}

/** Keeps a configuration; apart from reading, so that `diff` cannot. */
export class ConfigKeeper extends Context.Service<ConfigKeeper, {
  readonly keep: (config: NodeConfig) => Effect.Effect<void>
}>()("@patela/agent/host/ConfigKeeper") {
  static readonly layerAt = (path: string) =>
    Layer.effect(
      ConfigKeeper,
      Effect.map(ReplaceFile, ({ replace }) =>
        ConfigKeeper.of({
          keep: Effect.fn("ConfigKeeper.keep")(function*(config: NodeConfig) {
            const content = yield* Schema.encodeEffect(Text)({ version: 1, config })
            yield* replace({ path, content, mode: 0o600, uid: 0, gid: 0 })
          }, Effect.catch((error) => Effect.logWarning(`the configuration was not kept: ${error.message}`)))
        }))
    )

  static readonly layer = ConfigKeeper.layerAt(CONFIG_PATH)
}
