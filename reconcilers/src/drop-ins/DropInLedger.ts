import { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Schema } from "effect"
import * as fs from "node:fs/promises"
import { decodedOnce } from "../host/decodedOnce.ts"
import { RUNTIME_DIRECTORY } from "../host/HostPaths.ts"
import { type FileNotWritten, ReplaceFile } from "../host/ReplaceFile.ts"

/** The stamp (FileMemory) of each drop-in that systemd was seen to have read. */
export type LoadedDropIns = ReadonlyMap<RelayName, string>

const Content = Schema.fromJsonString(
  Schema.Struct({ version: Schema.Literal(1), loaded: Schema.Array(Schema.Tuple([RelayName, Schema.String])) })
)
const decode = Schema.decodeUnknownOption(Content)
const encode = Schema.encodeSync(Content)

const FILE = "drop-ins.json"

/**
 * Tells which drop-ins systemd has read. systemd itself could be asked, with two calls a relay; and of a drop-in in a
 * directory that is new to it, it says that nothing needs to be read anew (NeedDaemonReload, systemd 252).
 */
export class DropInLedgerReader extends Context.Service<DropInLedgerReader, {
  /** An absent ledger is empty, and so is a damaged one: then systemd is told once more than needed. */
  readonly read: Effect.Effect<LoadedDropIns>
}>()("@patela/reconcilers/drop-ins/DropInLedgerReader") {
  static readonly layerAt = (directory: string): Layer.Layer<DropInLedgerReader> =>
    Layer.sync(DropInLedgerReader, () => DropInLedgerReader.of({ read: readAt(directory, decodedOnce(decodeLoaded)) }))

  static readonly layer = DropInLedgerReader.layerAt(RUNTIME_DIRECTORY)
}

/** Keeps that ledger; 0600, on a tmpfs, gone with the boot that it speaks of. */
export class DropInLedgerWriter extends Context.Service<DropInLedgerWriter, {
  /** Notes what systemd has now, and strikes out what is gone; writes nothing where that is in it already. */
  readonly update: (
    loaded: LoadedDropIns,
    gone: ReadonlyArray<RelayName>
  ) => Effect.Effect<void, FileNotWritten>
}>()("@patela/reconcilers/drop-ins/DropInLedgerWriter") {
  static readonly layerAt = (directory: string): Layer.Layer<DropInLedgerWriter, never, ReplaceFile> =>
    Layer.effect(
      DropInLedgerWriter,
      Effect.gen(function*() {
        const files = yield* ReplaceFile
        const update = Effect.fn("DropInLedgerWriter.update")(
          function*(loaded: LoadedDropIns, gone: ReadonlyArray<RelayName>) {
            const before = yield* readAt(directory)
            const after = updated(before, loaded, gone)
            if (after === before) return
            yield* Effect.ignore(Effect.tryPromise(() => fs.mkdir(directory, { recursive: true, mode: 0o700 })))
            const content = `${encode({ version: 1, loaded: [...after] })}\n`
            const uid = process.getuid?.() ?? 0
            const gid = process.getgid?.() ?? 0
            yield* files.replace({ path: `${directory}/${FILE}`, content, mode: 0o600, uid, gid })
          }
        )
        return DropInLedgerWriter.of({ update })
      })
    )

  static readonly layer = DropInLedgerWriter.layerAt(RUNTIME_DIRECTORY)
}

/** The ledger with what is loaded and without what is gone; the very same value where nothing changes. */
export const updated = (
  before: LoadedDropIns,
  loaded: LoadedDropIns,
  gone: ReadonlyArray<RelayName>
): LoadedDropIns => {
  const same = [...loaded].every(([name, stamp]) => before.get(name) === stamp) &&
    !gone.some((name) => before.has(name))
  if (same) return before
  const after = new Map([...before, ...loaded])
  for (const name of gone) after.delete(name)
  return after
}

const decodeLoaded = (text: string) =>
  Effect.map(Effect.fromOption(decode(text)), ({ loaded }): LoadedDropIns => new Map(loaded))

const readAt = (directory: string, decodeText = decodeLoaded): Effect.Effect<LoadedDropIns> =>
  Effect.tryPromise(() => fs.readFile(`${directory}/${FILE}`, "utf8")).pipe(
    Effect.flatMap(decodeText),
    Effect.orElseSucceed((): LoadedDropIns => new Map())
  )
