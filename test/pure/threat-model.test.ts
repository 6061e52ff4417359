import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { repositoryRoot } from "../src/rig/Repository.ts"

const page = readFileSync(`${repositoryRoot}/docs/threat-model.md`, "utf8")

describe("the page of threats", () => {
  it("names files that are there, and for each attack one that stops it or a test", () => {
    const named = [...page.matchAll(/`((?:packages|test|reconcilers)\/[\w./-]+)`/g)].map(([, path]) => path ?? "")
    assert.isAbove(named.length, 50)
    assert.deepStrictEqual(named.filter((path) => !existsSync(`${repositoryRoot}/${path}`)), [])
    const decisions = [...page.matchAll(/\]\((decisions\/[\w.-]+)\)/g)].map(([, path]) => path ?? "")
    assert.deepStrictEqual(decisions.filter((path) => !existsSync(`${repositoryRoot}/docs/${path}`)), [])
    const rows = page.split("\n").filter((line) => line.startsWith("| ") && !/^\| (attack|---)/.test(line))
    assert.isAbove(rows.length, 25)
    for (const row of rows) assert.match(row.split(" | ").at(-1) ?? "", /\.test\.ts`/, row)
  })
})
