import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer } from "effect"
import * as fs from "node:fs/promises"
import { torrcFileOf } from "../host/HostPaths.ts"
import { FileNotWritten, ReplaceFile } from "../host/ReplaceFile.ts"
import { causeText } from "../host/SystemError.ts"
import { type DesiredTorrc, TORRC_MODE } from "./DesiredTorrc.ts"

/** Writes and removes the torrcs of instances. */
export class TorrcWriter extends Context.Service<TorrcWriter, {
  readonly write: (torrc: DesiredTorrc) => Effect.Effect<void, FileNotWritten>
  readonly remove: (relay: RelayName) => Effect.Effect<void, FileNotWritten>
}>()("@patela/reconcilers/torrc/TorrcWriter") {
  static readonly layer: Layer.Layer<TorrcWriter, never, ReplaceFile> = Layer.effect(
    TorrcWriter,
    Effect.gen(function*() {
      const files = yield* ReplaceFile
      return TorrcWriter.of({
        write: Effect.fn("TorrcWriter.write")(({ content, gid, relay }) =>
          files.replace({ path: torrcFileOf(relay), content, mode: TORRC_MODE, uid: 0, gid })
        ),
        remove: Effect.fn("TorrcWriter.remove")((relay) => {
          const path = torrcFileOf(relay)
          return Effect.tryPromise({
            try: () => fs.rm(path, { force: true }),
            catch: (cause) => new FileNotWritten({ path, message: `cannot remove ${path}: ${causeText(cause)}` })
          })
        })
      })
    })
  )
}
