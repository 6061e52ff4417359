import { assert, describe, it } from "@effect/vitest"
import { planDocument, planJson } from "@patela/agent/present/PlanDocument"
import { planText } from "@patela/agent/present/PlanText"
import { colourStyle, plainStyle } from "@patela/agent/present/Style"
import { Effect } from "effect"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { PRESENT_CASES, viewOf } from "./PresentCases.ts"

const folder = fileURLToPath(new URL("golden/", import.meta.url))

/** `npm run golden` sets it: what is shown now becomes what is expected. To be read in the diff before it is committed. */
const writing = process.env["PATELA_GOLDEN"] === "write"

/** Cases of which the whole text, the coloured one or no document is kept: the latter are long, and say nothing more. */
const ALSO_FULL = new Set(["first-run", "torrc-with-secrets"])
const ALSO_COLOUR = new Set(["in-sync", "drift-of-each-kind", "blocked-chain", "relay-removed"])
const TEXT_ALONE = new Set(["first-run-of-64", "torrc-of-all", "no-relay-link", "cannot-be-read"])

const golden = (name: string, file: string, shown: string): void => {
  const path = `${folder}${name}/${file}`
  if (writing) {
    mkdirSync(`${folder}${name}`, { recursive: true })
    writeFileSync(path, shown)
    return
  }
  const expected = existsSync(path) ? readFileSync(path, "utf8") : "(no such file)"
  assert.strictEqual(
    shown,
    expected,
    `golden/${name}/${file} is not what is shown now. If it should be: npm run golden, and read the difference`
  )
}

if (writing) rmSync(folder, { recursive: true, force: true })

describe("what diff prints", () => {
  it.each(Object.keys(PRESENT_CASES))("%s", (name) =>
    Effect.runPromise(Effect.gen(function*() {
      const make = PRESENT_CASES[name] ?? assert.fail(name)
      const view = yield* viewOf(make())
      golden(name, "expected.txt", `${planText(view, { style: plainStyle, full: false })}\n`)
      if (ALSO_FULL.has(name)) golden(name, "full.txt", `${planText(view, { style: plainStyle, full: true })}\n`)
      if (ALSO_COLOUR.has(name)) {
        golden(name, "colour.txt", `${planText(view, { style: colourStyle, full: false })}\n`)
      }
      if (!TEXT_ALONE.has(name)) {
        golden(name, "expected.json", `${JSON.stringify(planDocument(view), null, 2)}\n`)
      }
      assert.deepStrictEqual(JSON.parse(yield* planJson(view)), planDocument(view), "the printed document is the same")
    })))

  it("is what the manual shows", () => {
    const manual = readFileSync(fileURLToPath(new URL("../../../docs/operations.md", import.meta.url)), "utf8")
    const shown = readFileSync(`${folder}in-the-manual/expected.txt`, "utf8")
    assert.include(manual, `\`\`\`\n${shown}\`\`\`\n`, "put golden/in-the-manual/expected.txt into docs/operations.md")
  })
})
