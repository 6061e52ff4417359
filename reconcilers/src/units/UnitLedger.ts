import { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Schema, Semaphore } from "effect"
import * as fs from "node:fs/promises"
import { decodedOnce } from "../host/decodedOnce.ts"
import { RUNTIME_DIRECTORY } from "../host/HostPaths.ts"
import { type FileNotWritten, ReplaceFile } from "../host/ReplaceFile.ts"
import { LoadedTorrc } from "./LoadedTorrc.ts"

/** What a unit was last started or reloaded with. */
export const UnitEntry = Schema.Struct({
  ...LoadedTorrc.fields,
  /** It was only tried: written before a start, and left so where the start failed or nobody saw its end. */
  tried: Schema.optionalKey(Schema.Literal(true))
})
export type UnitEntry = typeof UnitEntry.Type

/** What each unit that Patela started runs with, or was tried with. */
export type UnitEntries = ReadonlyMap<RelayName, UnitEntry>

const Content = Schema.fromJsonString(
  Schema.Struct({ version: Schema.Literal(1), units: Schema.Array(Schema.Tuple([RelayName, UnitEntry])) })
)
const decode = Schema.decodeUnknownOption(Content)
const encode = Schema.encodeSync(Content)

const FILE = "units.json"

/** Reads the ledger of units. */
export class UnitLedgerReader extends Context.Service<UnitLedgerReader, {
  /**
   * An absent ledger is empty, as after a boot; so is a damaged one: then units are adopted by the age of their torrc, or
   * restarted, and units to be stopped are known by the header of their torrc.
   */
  readonly read: Effect.Effect<UnitEntries>
}>()("@patela/reconcilers/units/UnitLedgerReader") {
  static readonly layerAt = (directory: string): Layer.Layer<UnitLedgerReader> =>
    Layer.sync(UnitLedgerReader, () => UnitLedgerReader.of({ read: readAt(directory, decodedOnce(decodeUnits)) }))

  static readonly layer = UnitLedgerReader.layerAt(RUNTIME_DIRECTORY)
}

/** Keeps the ledger of units; 0600, on a tmpfs, gone with the boot that it speaks of. */
export class UnitLedgerWriter extends Context.Service<UnitLedgerWriter, {
  readonly loaded: (name: RelayName, entry: UnitEntry) => Effect.Effect<void, FileNotWritten>
  readonly forget: (name: RelayName) => Effect.Effect<void, FileNotWritten>
}>()("@patela/reconcilers/units/UnitLedgerWriter") {
  static readonly layerAt = (directory: string): Layer.Layer<UnitLedgerWriter, never, ReplaceFile> =>
    Layer.effect(
      UnitLedgerWriter,
      Effect.gen(function*() {
        const files = yield* ReplaceFile
        const oneAtATime = yield* Semaphore.make(1)

        const update = (change: (units: Map<RelayName, UnitEntry>) => boolean) =>
          Effect.gen(function*() {
            const units = new Map(yield* readAt(directory))
            if (!change(units)) return
            yield* Effect.ignore(Effect.tryPromise(() => fs.mkdir(directory, { recursive: true, mode: 0o700 })))
            const content = `${encode({ version: 1, units: [...units] })}\n`
            const uid = process.getuid?.() ?? 0
            const gid = process.getgid?.() ?? 0
            yield* files.replace({ path: `${directory}/${FILE}`, content, mode: 0o600, uid, gid })
          }).pipe(oneAtATime.withPermit)

        return UnitLedgerWriter.of({
          loaded: Effect.fn("UnitLedgerWriter.loaded")((name, entry) =>
            update((units) => units.set(name, entry).has(name))
          ),
          forget: Effect.fn("UnitLedgerWriter.forget")((name) => update((units) => units.delete(name)))
        })
      })
    )

  static readonly layer = UnitLedgerWriter.layerAt(RUNTIME_DIRECTORY)
}

const decodeUnits = (text: string) =>
  Effect.map(Effect.fromOption(decode(text)), ({ units }): UnitEntries => new Map(units))

const readAt = (directory: string, decodeText = decodeUnits): Effect.Effect<UnitEntries> =>
  Effect.tryPromise(() => fs.readFile(`${directory}/${FILE}`, "utf8")).pipe(
    Effect.flatMap(decodeText),
    Effect.orElseSucceed((): UnitEntries => new Map())
  )
