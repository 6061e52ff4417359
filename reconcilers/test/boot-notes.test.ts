import { assert, describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { DropInLedgerReader, DropInLedgerWriter } from "../src/drop-ins/DropInLedger.ts"
import { ReplaceFile } from "../src/host/ReplaceFile.ts"
import { SettingLedgerReader, SettingLedgerWriter } from "../src/kernel-settings/SettingLedger.ts"
import { SettingReader } from "../src/kernel-settings/SettingReader.ts"
import { SettingWriter } from "../src/kernel-settings/SettingWriter.ts"
import { UnitEntry, UnitLedgerReader, UnitLedgerWriter } from "../src/units/UnitLedger.ts"

const TOMA = RelayName.make("toma")
const BRIE = RelayName.make("brie")

const layerAt = (directory: string) =>
  Layer.mergeAll(
    DropInLedgerReader.layerAt(directory),
    SettingLedgerReader.layerAt(directory),
    UnitLedgerReader.layerAt(directory),
    SettingReader.layerAt(directory),
    SettingWriter.layerAt(directory),
    Layer.mergeAll(
      DropInLedgerWriter.layerAt(directory),
      SettingLedgerWriter.layerAt(directory),
      UnitLedgerWriter.layerAt(directory)
    ).pipe(Layer.provide(ReplaceFile.layer))
  )
type Services = Layer.Success<ReturnType<typeof layerAt>>

const inDirectory = <A, E>(test: (directory: string) => Effect.Effect<A, E, Services>) =>
  Effect.acquireUseRelease(
    Effect.promise(() => fs.mkdtemp(`${tmpdir()}/patela-notes-`)),
    (directory) => Effect.provide(test(directory), layerAt(directory)),
    (directory) => Effect.promise(() => fs.rm(directory, { recursive: true, force: true }))
  )

const modeOf = (path: string) => Effect.promise(async () => (await fs.stat(path)).mode & 0o777)

const put = (path: string, text: string) => Effect.promise(() => fs.writeFile(path, text))

describe("what Patela notes of a boot", () => {
  it.effect.prop(
    "of units is read back as it was written, for root alone",
    [UnitEntry],
    ([entry]) =>
      inDirectory((directory) =>
        Effect.gen(function*() {
          const reader = yield* UnitLedgerReader
          const writer = yield* UnitLedgerWriter
          yield* writer.loaded(TOMA, entry)
          assert.deepStrictEqual([...(yield* reader.read)], [[TOMA, entry]])
          assert.strictEqual(yield* modeOf(`${directory}/units.json`), 0o600)
          yield* writer.forget(TOMA)
          assert.strictEqual((yield* reader.read).size, 0)
        })
      )
  )

  it.effect("of units is understood as an older agent wrote it, and a damaged one is nothing", () =>
    inDirectory((directory) =>
      Effect.gen(function*() {
        const reader = yield* UnitLedgerReader
        yield* put(`${directory}/units.json`, `{"version":1,"units":[["toma",{"digest":"a","restartDigest":"b"}]]}`)
        assert.deepStrictEqual([...(yield* reader.read)], [[TOMA, { digest: "a", restartDigest: "b" }]])
        yield* put(`${directory}/units.json`, `{"version":1,"units":[["toma"`)
        assert.strictEqual((yield* reader.read).size, 0)
      })
    ))

  it.effect("of drop-ins is written only when something changed, and a damaged one is nothing", () =>
    inDirectory((directory) =>
      Effect.gen(function*() {
        const reader = yield* DropInLedgerReader
        const writer = yield* DropInLedgerWriter
        const path = `${directory}/drop-ins.json`
        yield* writer.update(new Map([[TOMA, "1"], [BRIE, "2"]]), [])
        assert.strictEqual(yield* modeOf(path), 0o600)
        const { ino } = yield* Effect.promise(() => fs.stat(path))
        yield* writer.update(new Map([[BRIE, "2"]]), [])
        assert.strictEqual((yield* Effect.promise(() => fs.stat(path))).ino, ino)
        yield* writer.update(new Map([[BRIE, "3"]]), [TOMA])
        assert.deepStrictEqual([...(yield* reader.read)], [[BRIE, "3"]])
        yield* put(path, "{}")
        assert.strictEqual((yield* reader.read).size, 0)
      })
    ))

  it.effect("of kernel settings is kept until it is put back, and nothing is changed on a damaged one", () =>
    inDirectory((directory) =>
      Effect.gen(function*() {
        const reader = yield* SettingLedgerReader
        const writer = yield* SettingLedgerWriter
        const record = { kind: "kernel-settings", before: "1", written: "2" }
        const path = `${directory}/kernel-settings.json`
        assert.strictEqual((yield* reader.read).size, 0)
        yield* writer.record(new Map([["net/a", record]]))
        yield* writer.record(new Map([["net/b", record]]))
        assert.strictEqual(yield* modeOf(path), 0o600)
        yield* writer.forget(["net/a"])
        assert.deepStrictEqual([...(yield* reader.read)], [["net/b", record]])
        yield* put(path, `{"version":1,"settings":[["net/b",{"kind":"x"}]]}`)
        const unread = yield* Effect.flip(reader.read)
        assert.match(unread.message, /cannot tell what kernel settings were before Patela.*damaged/s)
        const unwritten = yield* Effect.flip(writer.record(new Map([["net/c", record]])))
        assert.match(unwritten.message, /damaged/)
      })
    ))
})

const Value = Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9]{1,9}(\t[0-9]{1,5})?$/)))

describe("settings as files", () => {
  it.effect.prop(
    "are read as they were written, without the newline",
    [Value],
    ([text]) =>
      inDirectory((directory) =>
        Effect.gen(function*() {
          yield* put(`${directory}/longer`, "1234567890 1234567890\n")
          yield* (yield* SettingWriter).write("longer", text)
          const values = yield* (yield* SettingReader).read("kernel-settings", ["longer", "absent", "longer/absent"])
          assert.deepStrictEqual([...values], [["longer", { text, writable: true }]])
        })
      )
  )

  it.effect.prop(
    "tell that they changed since they were read, once, and nothing of those of another kind",
    [Value, Value],
    ([before, after]) =>
      inDirectory((directory) =>
        Effect.gen(function*() {
          const { changes, read } = yield* SettingReader
          yield* put(`${directory}/mine`, `${before}\n`)
          yield* put(`${directory}/theirs`, "0\n")
          const heard: Array<string> = []
          yield* changes("kernel-settings").pipe(
            Stream.runForEach((signal) => Effect.sync(() => heard.push(signal))),
            Effect.forkScoped
          )
          yield* read("kernel-settings", ["mine", "absent"])
          yield* put(`${directory}/theirs`, "1\n")
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(heard, [])
          yield* put(`${directory}/mine`, `${after}\n`)
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(heard, before === after ? [] : ["look again"])
          yield* put(`${directory}/absent`, "1\n")
          yield* TestClock.adjust("1 second")
          assert.strictEqual(heard.length, before === after ? 1 : 2)
          yield* read("kernel-settings", ["mine", "absent"])
          yield* TestClock.adjust("1 second")
          assert.strictEqual(heard.length, before === after ? 1 : 2)
        }).pipe(Effect.scoped)
      )
  )

  it.effect("one that is gone is not made", () =>
    inDirectory((directory) =>
      Effect.gen(function*() {
        const refused = yield* Effect.flip((yield* SettingWriter).write("absent", "1"))
        assert.match(refused.message, /the kernel does not take "1" for absent/)
        assert.deepStrictEqual(yield* Effect.promise(() => fs.readdir(directory)), [])
      })
    ))
})
