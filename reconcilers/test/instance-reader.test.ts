import { assert, describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { Effect } from "effect"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { fileMemory } from "../src/host/FileMemory.ts"
import { InstanceReader } from "../src/units/InstanceReader.ts"
import { dropInDigest } from "../src/units/LoadedTorrc.ts"
import { nextStep } from "./nextStep.ts"

const TOMA = RelayName.make("toma")
const DROP_IN = "[Service]\nCPUAffinity=0\nMemoryMax=1\n"

const inTemporaryDirectory = <A, E>(test: (directory: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.promise(() => fs.mkdtemp(`${tmpdir()}/patela-units-`)),
    test,
    (directory) => Effect.promise(() => fs.rm(directory, { recursive: true, force: true }))
  )

describe("reading instances", () => {
  it.effect("reads torrc and drop-in as one, and tells when the later of them changed", () =>
    inTemporaryDirectory((root) =>
      Effect.gen(function*() {
        const dropIns = `${root}/tor@toma.service.d`
        yield* Effect.promise(async () => {
          await fs.mkdir(`${root}/toma`)
          await fs.mkdir(dropIns)
          await fs.writeFile(`${root}/toma/torrc`, `${OWNED_HEADER}\nORPort 1.2.3.4:1\n`)
          await fs.utimes(`${root}/toma/torrc`, 1000, 1000)
        })
        yield* Effect.gen(function*() {
          const reader = yield* InstanceReader
          const without = (yield* reader.read([TOMA, RelayName.make("brie")])).get(TOMA)
          assert.strictEqual(without?.changedAt, 1_000_000)
          assert.isTrue(without?.managed)
          assert.isUndefined(without?.content.dropIn)
          yield* Effect.promise(async () => {
            await fs.writeFile(`${dropIns}/patela.conf`, DROP_IN)
            await fs.utimes(`${dropIns}/patela.conf`, 2000, 2000)
          })
          const both = (yield* reader.read([TOMA])).get(TOMA)
          assert.strictEqual(both?.changedAt, 2_000_000)
          assert.strictEqual(both?.content.dropIn, dropInDigest(DROP_IN))
          yield* Effect.promise(() => fs.rm(`${root}/toma/torrc`))
          assert.strictEqual((yield* reader.read([TOMA])).size, 0)
        }).pipe(Effect.provide(InstanceReader.layerAt(root, root)))
      })
    ))

  it.effect("parses again what changed, and only that", () =>
    inTemporaryDirectory((root) =>
      Effect.gen(function*() {
        const parsed: Array<string> = []
        let later = 0
        const look = fileMemory((text) => parsed.push(text), () => Date.now() + later)
        const path = `${root}/torrc`
        const seen = () => Effect.sync(() => look(path))
        assert.strictEqual((yield* seen()).type, "absent")
        yield* Effect.promise(() => fs.writeFile(path, "one"))
        // A file that was written just now may be written again with the same time: it is not remembered yet.
        later = -60_000
        yield* seen()
        yield* seen()
        assert.strictEqual(parsed.length, 2)
        later = 60_000
        yield* seen()
        yield* seen()
        yield* seen()
        assert.strictEqual(parsed.length, 3, "an old file is read once")

        // Same size, another text, and the time of its text set back: the inode's own time tells (ctime).
        yield* Effect.promise(async () => {
          const { atime, mtime } = await fs.stat(path)
          nextStep(`${root}/clock`)
          await fs.writeFile(path, "two")
          await fs.utimes(path, atime, mtime)
        })
        yield* seen()
        assert.strictEqual(parsed.at(-1), "two")
        yield* Effect.promise(async () => {
          await fs.writeFile(`${path}.new`, "six")
          await fs.rename(`${path}.new`, path)
        })
        yield* seen()
        assert.strictEqual(parsed.at(-1), "six")
        yield* Effect.promise(async () => {
          await fs.rm(path)
          await fs.symlink("/etc/passwd", path)
        })
        assert.strictEqual((yield* seen()).type, "not a file")
      })
    ))
})
