import { Context, Effect, Layer, Schema } from "effect"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { KERNEL_SETTINGS } from "../host/HostPaths.ts"
import { causeText } from "../host/SystemError.ts"

/** The kernel did not take a setting. */
export class SettingNotWritten extends Schema.TaggedError<SettingNotWritten>()("SettingNotWritten", {
  path: Schema.String,
  message: Schema.String
}) {}

/** Writes kernel settings. */
export class SettingWriter extends Context.Service<SettingWriter, {
  /** `path` is under /proc/sys, and there. */
  readonly write: (path: string, text: string) => Effect.Effect<void, SettingNotWritten>
}>()("@patela/reconcilers/kernel-settings/SettingWriter") {
  static readonly layerAt = (root: string): Layer.Layer<SettingWriter> =>
    Layer.succeed(
      SettingWriter,
      SettingWriter.of({
        write: Effect.fn("SettingWriter.write")((path, text) =>
          Effect.tryPromise({
            try: () => writeNow(`${root}/${path}`, text),
            catch: (cause) =>
              new SettingNotWritten({
                path,
                message: `the kernel does not take "${text}" for ${path}: ${causeText(cause)}`
              })
          })
        )
      })
    )

  static readonly layer: Layer.Layer<SettingWriter> = SettingWriter.layerAt(KERNEL_SETTINGS)
}

/** The kernel takes a value that comes in one write(2). */
const writeNow = async (path: string, text: string): Promise<void> => {
  await using file = await fs.open(path, constants.O_WRONLY | constants.O_TRUNC)
  await file.write(`${text}\n`)
}
