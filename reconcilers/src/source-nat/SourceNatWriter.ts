import { Context, Effect, Layer, type Schema } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { HostCommand } from "../host/HostCommand.ts"
import { OWNER, sweepDead } from "../host/SweepDead.ts"
import type { ObservedTable } from "./ObservedTable.ts"
import { FAMILY, TABLE } from "./Skeleton.ts"
import { SourceNatReader } from "./SourceNatReader.ts"

/** The commands of one transaction, in the JSON of nft (libnftables-json(5)), given the table as it is. */
export type Edit = (now: ObservedTable) => ReadonlyArray<Schema.Json>

/**
 * Changes the table `inet patela` by transactions: all of one or nothing of it. The value is why the kernel refused,
 * or undefined. An edit sees the table as it is at that moment, so what a plan saw earlier does not matter.
 */
export class SourceNatWriter extends Context.Service<SourceNatWriter, {
  readonly commit: (edit: Edit) => Effect.Effect<string | undefined>
  /** Has the kernel check a transaction and then drop it (`nft --check`). */
  readonly check: (edit: Edit) => Effect.Effect<string | undefined>
  /** Has the table, whatever it is, give way to what `SourceNatReader.text` said. */
  readonly replace: (text: string | undefined) => Effect.Effect<string | undefined>
}>()("@patela/reconcilers/source-nat/SourceNatWriter") {
  static readonly layer: Layer.Layer<SourceNatWriter, never, HostCommand> = Layer.effect(
    SourceNatWriter,
    Effect.gen(function*() {
      const host = yield* HostCommand
      const reader = yield* SourceNatReader

      const runBatch = Effect.fnUntraced(function*(flags: ReadonlyArray<string>, content: string) {
        const path = yield* batchFile(content)
        yield* host.run("nft", [...flags, "-f", path])
      }, Effect.scoped)

      const transact = (flags: ReadonlyArray<string>) =>
        Effect.fnUntraced(
          function*(edit: Edit) {
            const now = yield* reader.table
            yield* runBatch([...flags, "-j"], JSON.stringify({ nftables: edit(now) }))
            return undefined
          },
          Effect.catch(({ message }) => Effect.succeed<string | undefined>(message))
        )

      // Added first, so that deleting it never fails.
      const nothing = `add table ${FAMILY} ${TABLE}\ndelete table ${FAMILY} ${TABLE}\n`
      const replace = Effect.fn("SourceNatWriter.replace")((text: string | undefined) =>
        runBatch([], nothing + (text ?? "")).pipe(
          Effect.as(undefined),
          Effect.catch(({ message }) => Effect.succeed<string | undefined>(message))
        )
      )

      return SourceNatWriter.of({ commit: transact([]), check: transact(["--check"]), replace })
    })
  ).pipe(Layer.provide(SourceNatReader.layer))
}

/** A file for nft to read, which cannot open the socket that Node gives a child for standard input. 0600 in a 0700. */
const batchFile = (content: string) =>
  Effect.acquireRelease(
    Effect.tryPromise({ try: makeScratch, catch: unwritten }),
    (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
  ).pipe(
    Effect.map((directory) => join(directory, "batch.nft")),
    Effect.tap((path) =>
      Effect.tryPromise({ try: () => writeFile(path, content, { mode: 0o600, flag: "wx" }), catch: unwritten })
    )
  )

const makeScratch = async (): Promise<string> => {
  await sweepDead(tmpdir(), "directories", /^patela-nft-(\d+)-/)
  return await mkdtemp(join(tmpdir(), `patela-nft-${OWNER}-`))
}

const unwritten = (cause: unknown) => ({
  message: `the batch for nft cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`
})
