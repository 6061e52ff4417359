import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, Effect, Layer, Schema, Semaphore } from "effect"
import * as fs from "node:fs/promises"
import { RUNTIME_DIRECTORY } from "../host/HostPaths.ts"
import { FileNotWritten, ReplaceFile } from "../host/ReplaceFile.ts"
import { causeText, errorCode } from "../host/SystemError.ts"

/** A setting that Patela changed on this boot: what it was, and what Patela wrote. */
export const SettingRecord = Schema.Struct({
  /** The kind that wrote it, and puts it back. */
  kind: Schema.String,
  before: Schema.String,
  written: Schema.String
})
export type SettingRecord = typeof SettingRecord.Type

/** By path under /proc/sys. */
export type SettingRecords = ReadonlyMap<string, SettingRecord>

const Content = Schema.fromJsonString(Schema.Struct({
  version: Schema.Literal(1),
  settings: Schema.Array(Schema.Tuple([Schema.String, SettingRecord]))
}))
const decode = Schema.decodeUnknownEffect(Content)
const encode = Schema.encodeSync(Content)

const fileIn = (directory: string): string => `${directory}/kernel-settings.json`

/** Tells which settings Patela changed. */
export class SettingLedgerReader extends Context.Service<SettingLedgerReader, {
  /** An absent ledger is empty, as after a boot. One that is damaged fails: what to put back would be lost. */
  readonly read: Effect.Effect<SettingRecords, ObservationFailed>
}>()("@patela/reconcilers/kernel-settings/SettingLedgerReader") {
  static readonly layerAt = (directory: string): Layer.Layer<SettingLedgerReader> =>
    Layer.sync(SettingLedgerReader, () => SettingLedgerReader.of({ read: readAt(directory) }))

  static readonly layer = SettingLedgerReader.layerAt(RUNTIME_DIRECTORY)
}

/** Keeps that ledger; 0600, on a tmpfs, gone with the boot that it speaks of. */
export class SettingLedgerWriter extends Context.Service<SettingLedgerWriter, {
  /** Before the settings are written. */
  readonly record: (records: SettingRecords) => Effect.Effect<void, FileNotWritten>
  /** After they were put back. */
  readonly forget: (paths: ReadonlyArray<string>) => Effect.Effect<void, FileNotWritten>
}>()("@patela/reconcilers/kernel-settings/SettingLedgerWriter") {
  static readonly layerAt = (directory: string): Layer.Layer<SettingLedgerWriter, never, ReplaceFile> =>
    Layer.effect(
      SettingLedgerWriter,
      Effect.gen(function*() {
        const files = yield* ReplaceFile
        const oneAtATime = yield* Semaphore.make(1)
        const path = fileIn(directory)

        const update = (change: (records: Map<string, SettingRecord>) => void) =>
          Effect.gen(function*() {
            const records = new Map(
              yield* Effect.mapError(readAt(directory), ({ message }) => new FileNotWritten({ path, message }))
            )
            change(records)
            yield* Effect.ignore(Effect.tryPromise(() => fs.mkdir(directory, { recursive: true, mode: 0o700 })))
            const content = `${encode({ version: 1, settings: [...records] })}\n`
            const uid = process.getuid?.() ?? 0
            const gid = process.getgid?.() ?? 0
            yield* files.replace({ path, content, mode: 0o600, uid, gid })
          }).pipe(oneAtATime.withPermit)

        return SettingLedgerWriter.of({
          record: Effect.fn("SettingLedgerWriter.record")((records) =>
            update((all) => {
              for (const [name, record] of records) all.set(name, record)
            })
          ),
          forget: Effect.fn("SettingLedgerWriter.forget")((paths) =>
            update((all) => {
              for (const name of paths) all.delete(name)
            })
          )
        })
      })
    )

  static readonly layer = SettingLedgerWriter.layerAt(RUNTIME_DIRECTORY)
}

const readAt = (directory: string): Effect.Effect<SettingRecords, ObservationFailed> => {
  const path = fileIn(directory)
  return Effect.tryPromise({ try: () => textOf(path), catch: causeText }).pipe(
    Effect.flatMap((text) =>
      text === undefined
        ? Effect.succeed<SettingRecords>(new Map())
        : decode(text).pipe(
          Effect.map(({ settings }): SettingRecords => new Map(settings)),
          Effect.mapError(({ message }) => `it is damaged: ${message}`)
        )
    ),
    Effect.mapError((why) =>
      new ObservationFailed({
        kind: "kernel-settings",
        message: `cannot tell what kernel settings were before Patela: ${path}: ${why}. None is changed or put back ` +
          `until the file is mended or the node is rebooted.`
      })
    )
  )
}

const textOf = async (path: string): Promise<string | undefined> => {
  try {
    return await fs.readFile(path, "utf8")
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined
    throw cause
  }
}
