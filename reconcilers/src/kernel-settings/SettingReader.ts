import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, Effect, Layer } from "effect"
import * as fs from "node:fs/promises"
import { KERNEL_SETTINGS } from "../host/HostPaths.ts"
import { causeText, errorCode } from "../host/SystemError.ts"
import type { SettingValue, SettingValues } from "./Setting.ts"

/** Reads kernel settings. */
export class SettingReader extends Context.Service<SettingReader, {
  /** What is at these paths under /proc/sys; one that is not there or cannot be read is left out. */
  readonly read: (paths: ReadonlyArray<string>) => Effect.Effect<SettingValues, ObservationFailed>
}>()("@patela/reconcilers/kernel-settings/SettingReader") {
  static readonly layerAt = (root: string): Layer.Layer<SettingReader> =>
    Layer.succeed(
      SettingReader,
      SettingReader.of({
        read: Effect.fn("SettingReader.read")(function*(paths) {
          const found = yield* Effect.forEach(paths, (path) =>
            Effect.tryPromise({
              try: async () => [path, await readNow(`${root}/${path}`)] as const,
              catch: (cause) =>
                new ObservationFailed({
                  kind: "kernel-settings",
                  message: `cannot read ${root}/${path}: ${causeText(cause)}`
                })
            }), { concurrency: 16 })
          return new Map(found.flatMap(([path, value]) => (value === undefined ? [] : [[path, value] as const])))
        })
      })
    )

  static readonly layer: Layer.Layer<SettingReader> = SettingReader.layerAt(KERNEL_SETTINGS)
}

/** Not there: the module is not loaded, or the link is gone. No right to: not this namespace's. */
const ABSENT = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM"])

const readNow = async (path: string): Promise<SettingValue | undefined> => {
  try {
    const text = (await fs.readFile(path, "utf8")).replace(/\n$/, "")
    return { text, writable: await isWritable(path) }
  } catch (cause) {
    if (ABSENT.has(errorCode(cause) ?? "")) return undefined
    throw cause
  }
}

/** Also root may not write a setting whose file says so, nor one on a read-only mount (proc_sys_permission). */
const isWritable = async (path: string): Promise<boolean> => {
  try {
    await fs.access(path, fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}
