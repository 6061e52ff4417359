import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { RUNTIME_DIRECTORY } from "@patela/reconcilers/host/HostPaths"
import { ReplaceFile } from "@patela/reconcilers/host/ReplaceFile"
import { Context, Effect, Layer, type Option, Schema } from "effect"
import * as fs from "node:fs/promises"

/** Where a configuration stands while its network changes are on trial; root's alone, in memory. */
export const TRIAL_PATH = `${RUNTIME_DIRECTORY}/trial.json`

const Text = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), config: NodeConfig }))

/**
 * The configuration whose network changes are on trial. It is written before the first of them and gone once it is known
 * whether the server can be reached: an agent that finds it was killed in between, and has to find out itself.
 */
export class TrialFile extends Context.Service<TrialFile, {
  readonly read: Effect.Effect<Option.Option<NodeConfig>>
  readonly write: (config: NodeConfig) => Effect.Effect<void>
  readonly clear: Effect.Effect<void>
}>()("@patela/agent/host/TrialFile") {
  static readonly layerAt = (path: string) =>
    Layer.effect(
      TrialFile,
      Effect.map(ReplaceFile, ({ replace }) =>
        TrialFile.of({
          read: Effect.tryPromise(() => fs.readFile(path, "utf8")).pipe(
            Effect.flatMap(Schema.decodeEffect(Text)),
            Effect.map(({ config }) => config),
            Effect.option
          ),
          write: Effect.fn("TrialFile.write")((config) =>
            Schema.encodeEffect(Text)({ version: 1, config }).pipe(
              Effect.flatMap((content) => replace({ path, content, mode: 0o600, uid: 0, gid: 0 })),
              // The trial itself goes on: only an agent that is killed in the middle of it leaves it undecided then.
              Effect.catch(({ message }) => Effect.logWarning(`the trial was not noted: ${message}`))
            )
          ),
          clear: Effect.tryPromise(() => fs.rm(path, { force: true })).pipe(Effect.ignore)
        }))
    )

  static readonly layer = TrialFile.layerAt(TRIAL_PATH)
}
