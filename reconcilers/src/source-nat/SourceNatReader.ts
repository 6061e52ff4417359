import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, Effect, Layer, Option } from "effect"
import { decodedOnce } from "../host/decodedOnce.ts"
import { HostCommand } from "../host/HostCommand.ts"
import { ABSENT, DORMANT, type ObservedTable, readTable } from "./ObservedTable.ts"
import { FAMILY, TABLE } from "./Skeleton.ts"

/** Reads the table `inet patela` in one look; changes nothing. */
export class SourceNatReader extends Context.Service<SourceNatReader, {
  readonly table: Effect.Effect<ObservedTable, ObservationFailed>
  /** The table in the language of nft, for nft to read again; undefined where there is none. */
  readonly text: Effect.Effect<string | undefined, ObservationFailed>
}>()("@patela/reconcilers/source-nat/SourceNatReader") {
  static readonly layer: Layer.Layer<SourceNatReader, never, HostCommand> = Layer.effect(
    SourceNatReader,
    Effect.gen(function*() {
      const host = yield* HostCommand
      const list = (...flags: ReadonlyArray<string>) =>
        host.attempt("nft", [...flags, "list", "table", FAMILY, TABLE]).pipe(
          Effect.mapError(({ message }) => unreadable(message)),
          Effect.flatMap(({ exitCode, stderr, stdout }) => {
            if (exitCode === 0) return Effect.succeed(stdout)
            // ENOENT is how nft says that the table is not there.
            if (stderr.includes("No such file or directory")) return Effect.undefined
            return Effect.fail(unreadable(`nft ended with code ${exitCode}: ${stderr.trim()}`))
          })
        )
      const text = list().pipe(Effect.withSpan("SourceNatReader.text"))
      const decoded = decodedOnce(readTable)
      const json = host.ask(["nft", "-j", "-i"], [`list table ${FAMILY} ${TABLE}`]).pipe(
        Effect.flatMap(Option.match({ onNone: () => list("-j"), onSome: ([answer]) => Effect.succeed(answer) }))
      )
      const table = json.pipe(
        Effect.flatMap((answer) => answer === undefined ? Effect.succeed(ABSENT) : decoded(answer)),
        // nft 1.0.6 writes whatever is in memory for the flags of a table, and that may be no JSON; only one that
        // sleeps has flags here.
        Effect.catch((error) =>
          Effect.flatMap(
            text,
            (now) => now?.includes("flags dormant") === true ? Effect.succeed(DORMANT) : Effect.fail(error)
          )
        ),
        Effect.withSpan("SourceNatReader.table")
      )
      return SourceNatReader.of({ table, text })
    })
  )
}

const unreadable = (message: string) => new ObservationFailed({ kind: "source-nat", message })
