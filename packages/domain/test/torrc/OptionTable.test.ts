import { assert, describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { findOption, OPTION_TABLE, optionNamed, suggestOption } from "../../src/torrc/OptionTable.ts"

describe("OptionTable", () => {
  it("holds every option once", () => {
    const names = OPTION_TABLE.map(({ name }) => name.toLowerCase())
    expect(new Set(names).size).toBe(names.length)
    expect(names.length).toBe(372)
  })

  it("finds every option by its own name in any case", () => {
    for (const option of OPTION_TABLE) {
      expect(findOption(option.name.toUpperCase())).toEqual({ option, written: "exact" })
      expect(optionNamed(option.name)).toEqual(option)
    }
  })

  it("knows which options repeat", () => {
    const repeats = (name: string) => optionNamed(name)?.repeats
    for (const name of ["ExitPolicy", "Log", "ORPort", "FamilyId", "MyFamily", "Address", "EntryNodes"]) {
      assert.strictEqual(repeats(name), true, name)
    }
    for (const name of ["Nickname", "ContactInfo", "FirewallPorts", "BandwidthRate"]) {
      assert.strictEqual(repeats(name), false, name)
    }
  })

  it("takes the first name of the table for an abbreviation, also an obsolete one", () => {
    expect(findOption("l")?.option.name).toBe("LearnCircuitBuildTimeout")
    expect(findOption("Trans")?.option).toMatchObject({ name: "TransListenAddress", kind: "Obsolete" })
    expect(findOption("ORPortL")?.option).toMatchObject({ name: "ORPortLines", kind: "Virtual" })
    expect(findOption("")).toBeUndefined()
    expect(optionNamed("RunTesting")).toBeUndefined()
  })

  it("suggests what was meant, and nothing for what is far from all", () => {
    expect(suggestOption("Nikcname")).toBe("Nickname")
    expect(suggestOption("exitpolcy")).toBe("ExitPolicy")
    expect(suggestOption("Zebra")).toBeUndefined()
  })

  it.prop("any text is looked up without a throw", [Schema.String], ([text]) => {
    const found = findOption(text)
    if (found?.written === "abbreviation") {
      expect(found.option.name.toLowerCase().startsWith(text.toLowerCase())).toBe(true)
    }
    suggestOption(text)
  }, { arbitrary: { runs: 1000 } })
})
