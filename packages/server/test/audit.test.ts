import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { Audit } from "../src/audit/Audit.ts"
import { faultText } from "../src/audit/ChainCheck.ts"
import { verifyAudit } from "../src/audit/verifyAudit.ts"
import { layerAt } from "../src/store/Store.ts"
import { patela } from "./rig/commandLine.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"

const TIMEOUT = 120_000
const WRITER = fileURLToPath(new URL("./rig/auditWriter.ts", import.meta.url))

const Verdict = Schema.fromJsonString(Schema.Struct({
  whole: Schema.Boolean,
  entries: Schema.Int,
  digest: Schema.String,
  faults: Schema.Array(Schema.Struct({ kind: Schema.String, from: Schema.Int, to: Schema.Int }))
}))
const Entries = Schema.fromJsonString(Schema.Struct({ entries: Schema.Array(Schema.Struct({ id: Schema.Int })) }))

const change = (number: number) => ({ who: "test", what: `change ${number}`, before: null, after: String(number) })

const logAt = (path: string) => Audit.layer.pipe(Layer.provideMerge(layerAt(path)))

const written = (count: number) =>
  Effect.flatMap(
    Audit,
    ({ record }) =>
      Effect.forEach(Array.from({ length: count }, (_, index) => change(index + 1)), record, { discard: true })
  )

const faults = Effect.map(verifyAudit(), (verdict) => verdict.faults.map(faultText))

/** What somebody does who has the file and nothing else. */
const tamper = (path: string, statement: string) =>
  Effect.sync(() => {
    const database = new DatabaseSync(path)
    database.exec(`DROP TRIGGER IF EXISTS audit_no_update; DROP TRIGGER IF EXISTS audit_no_delete; ${statement}`)
    database.close()
  })

/** A process that writes entries, to its end or to its being killed. */
const writer = (path: string, who: string, count: number, killedAfter?: number) =>
  Effect.callback<void>((resume) => {
    const child = spawn(process.execPath, [WRITER, path, who, String(count)], {
      stdio: ["ignore", "inherit", "inherit"]
    })
    if (killedAfter !== undefined) setTimeout(() => child.kill("SIGKILL"), killedAfter)
    child.on("exit", () => resume(Effect.void))
  })

describe("the audit log", () => {
  it.effect("law: whatever is done to the file behind it is found and named", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const attacks = [
        ["UPDATE audit SET who = 'other' WHERE id = 3", "entry 3 was changed"],
        ["UPDATE audit SET value_before = '' WHERE id = 3", "entry 3 was changed"],
        ["UPDATE audit SET digest = '' WHERE id = 3", "entry 3 was changed"],
        ["DELETE FROM audit WHERE id = 3", "entry 3 is missing"],
        ["DELETE FROM audit WHERE id < 3", "entries 1 to 2 are missing"],
        ["DELETE FROM audit WHERE id > 4", "entries 5 to 6 were cut from the end"],
        ["DELETE FROM audit", "entries 1 to 6 were cut from the end"],
        ["DELETE FROM audit WHERE id = 3; UPDATE audit SET id = id - 1 WHERE id > 3", "entries 3 to 5 were changed"],
        [
          "UPDATE audit SET id = -1 WHERE id = 2; UPDATE audit SET id = 2 WHERE id = 4; UPDATE audit SET id = 4 WHERE id = -1",
          "entries 2 to 5 were changed"
        ],
        [
          "INSERT OR REPLACE INTO audit SELECT id, happened_at, who, 'x', value_before, value_after, digest FROM audit WHERE id = 2",
          "entry 2 was changed"
        ],
        [
          "INSERT INTO audit (happened_at, who, what, digest) SELECT happened_at, who, what, digest FROM audit WHERE id = 6",
          "entry 7 was not written by Patela"
        ],
        ["UPDATE audit_head SET last_id = 5", "entry 6 was not written by Patela"],
        ["UPDATE audit_head SET digest = ''", "entry 6 is not the one that the log ends with"],
        ["DELETE FROM audit_head", "entry 0 is not the one that the log ends with"]
      ] as const
      for (const [index, [statement, expected]] of attacks.entries()) {
        const path = `${folder}/${index}.db`
        yield* Effect.provide(written(6), logAt(path))
        assert.deepStrictEqual(yield* Effect.provide(faults, layerAt(path)), [])
        yield* tamper(path, statement)
        assert.include(yield* Effect.provide(faults, layerAt(path)), expected, statement)
      }
    }), TIMEOUT)

  it.effect("cannot be changed through the database, and goes on after a transaction that failed", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* written(2)
      for (const statement of ["UPDATE audit SET who = 'x'", "DELETE FROM audit WHERE id = 1"]) {
        const error = yield* Effect.flip(sql.unsafe(statement))
        assert.include(String(error.reason.cause), "only added to")
      }
      yield* Effect.flip(sql.withTransaction(Effect.andThen(written(3), Effect.fail("no"))))
      yield* written(1)
      const { head, faults: found } = yield* verifyAudit()
      assert.deepStrictEqual([head.id, found], [3, []])
    }).pipe(Effect.provide(Layer.unwrap(Effect.map(temporaryDirectory, (folder) => logAt(`${folder}/a.db`))))))

  it.effect("reads as it was written, whatever the text", () =>
    Effect.gen(function*() {
      const texts = [
        "\u0000a",
        "\ud800",
        "\u2028\u202e",
        "'; DROP TABLE audit; --",
        "%_!",
        "\u{1f9c0}",
        "",
        "é".normalize("NFD")
      ]
      const audit = yield* Audit
      yield* Effect.forEach(texts, (text) => audit.record({ who: text, what: text, before: text, after: text }))
      assert.deepStrictEqual(yield* faults, [])
      const found = (yield* audit.newest(10)).map(({ what }) => what).toReversed()
      assert.deepStrictEqual(found, texts.map((text) => text.toWellFormed().replace("\u0000", "\ufffd")))
      assert.strictEqual((yield* audit.newest(10, { what: "%" })).length, 1)
      assert.strictEqual((yield* audit.newest(10, { what: "drop TABLE" })).length, 1)
      assert.strictEqual((yield* audit.newest(10, { who: "\u{1f9c0}", since: "2000-01-01T00:00:00.000Z" })).length, 0)
      assert.strictEqual((yield* audit.newest(10, { who: "\u{1f9c0}", since: "1970-01-01T00:00:00.000Z" })).length, 1)
    }).pipe(Effect.provide(Layer.unwrap(Effect.map(temporaryDirectory, (folder) => logAt(`${folder}/a.db`))))))

  it.live("law: processes that write at once, and one that is killed, keep one chain", () =>
    Effect.gen(function*() {
      const path = `${yield* temporaryDirectory}/a.db`
      yield* Effect.provide(written(1), logAt(path))
      yield* Effect.all([writer(path, "a", 100), writer(path, "b", 100), writer(path, "c", 10_000, 700)], {
        concurrency: "unbounded"
      })
      const [verdict, entries] = yield* Effect.provide(
        Effect.all([verifyAudit(), Effect.flatMap(Audit, ({ newest }) => newest(20_000))]),
        logAt(path)
      )
      assert.deepStrictEqual(verdict.faults, [])
      for (const who of ["a", "b"]) {
        const numbers = entries.filter((entry) => entry.who === who).map(({ value_after }) => Number(value_after))
        assert.deepStrictEqual(numbers.toReversed(), Array.from({ length: 100 }, (_, index) => index + 1))
      }
    }), TIMEOUT)
})

describe("patela audit", () => {
  it.effect("verify says what is wrong and ends with 1; filters choose", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const path = `${folder}/patela.db`
      const variables = { HOME: folder, DATABASE_URL: `sqlite:${path}` }
      yield* Effect.provide(written(3), logAt(path))
      const good = yield* patela(variables, ["audit", "verify", "--json"])
      assert.strictEqual(good.code, 0)
      const { entries, whole } = yield* Schema.decodeEffect(Verdict)(good.stdout)
      assert.deepStrictEqual([entries, whole], [3, true])
      const filtered = yield* patela(variables, ["audit", "--what", "change 2", "--who", "test", "--json"])
      const found = yield* Schema.decodeEffect(Entries)(filtered.stdout)
      assert.deepStrictEqual(found.entries.map(({ id }) => id), [2])
      assert.include((yield* patela(variables, ["audit", "--since", "soon"])).stderr, "--since takes")

      yield* tamper(path, "DELETE FROM audit WHERE id = 2")
      const json = yield* patela(variables, ["audit", "verify", "--json"])
      assert.deepStrictEqual([json.code, json.stderr], [1, ""])
      const { faults: [fault] } = yield* Schema.decodeEffect(Verdict)(json.stdout)
      assert.deepInclude(fault, { kind: "missing", from: 2, to: 2 })
      const seen = yield* patela(variables, ["audit", "verify", "--seen", `3:${"0".repeat(64)}`])
      assert.deepStrictEqual([seen.code, seen.stdout], [1, ""])
      for (const fault of ["entry 2 is missing", "entry 3 is another than was seen"]) assert.include(seen.stderr, fault)
    }), TIMEOUT)
})
