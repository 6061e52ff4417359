import { assert, describe, it } from "@effect/vitest"
import { PlanDocument, planDocument, planJson } from "@patela/agent/present/PlanDocument"
import { planSchema } from "@patela/agent/present/planSchema"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Effect, Schema } from "effect"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { PRESENT_CASES, viewOf } from "./PresentCases.ts"

const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const checkedIn = readFileSync(fileOf("../../../docs/schemas/plan.v1.schema.json"), "utf8")

const schema = Schema.decodeSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))(checkedIn)
const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema)

/** What a validator says of a document; empty is valid. */
const complaints = (document: unknown): ReadonlyArray<string> =>
  validate(document) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)

describe("the JSON Schema of diff --json", () => {
  it("is the one that the code generates", () => {
    assert.strictEqual(checkedIn, planSchema(), "docs/schemas is not what the code says: npm run schemas")
  })

  it("takes every golden document", () => {
    const files = globSync("golden/*/expected.json", { cwd: fileOf(".") })
    assert.isAbove(files.length, 5)
    for (const file of files) {
      assert.deepStrictEqual(complaints(JSON.parse(readFileSync(fileOf(file), "utf8"))), [], file)
    }
  })

  it.effect("takes what is printed of every case, and nothing is lost on the way", () =>
    Effect.gen(function*() {
      const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(PlanDocument))
      for (const [name, make] of Object.entries(PRESENT_CASES)) {
        const view = yield* viewOf(make())
        const printed = yield* planJson(view)
        assert.notMatch(printed, /[\p{Cc}\p{Cf}]/u, name)
        assert.deepStrictEqual(complaints(JSON.parse(printed)), [], name)
        const document = yield* decode(printed)
        assert.deepStrictEqual(document, planDocument(view))
        const { totals } = document
        assert.strictEqual(totals.create + totals.update + totals.remove, view.changes.length)
        assert.strictEqual(document.changes.length, view.changes.length)
        assert.strictEqual(document.in_sync.length, totals.in_sync)
        assert.strictEqual(totals.refused + totals.unreadable, view.failures.length)
        assert.strictEqual(document.unreadable.flatMap(({ resources }) => resources).length, totals.unreadable)
        assert.strictEqual(document.complete, view.failures.length === 0)
      }
    }))

  it("refuses what is no plan", () => {
    assert.isNotEmpty(complaints({}))
    const made = { version: 1, command: "diff" }
    assert.isNotEmpty(complaints({ ...made, changes: [{ action: "explode" }] }))
  })
})
