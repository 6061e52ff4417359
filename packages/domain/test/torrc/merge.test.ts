import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { mergeTorrcs, traceMerge } from "../../src/torrc/merge.ts"
import { optionNamed } from "../../src/torrc/OptionTable.ts"
import { parseTorrc } from "../../src/torrc/parse.ts"
import { renderTorrc } from "../../src/torrc/render.ts"
import type { Torrc } from "../../src/torrc/Torrc.ts"
import { anyLayer, anySettingLayer } from "./ArbitraryTorrc.ts"

const read = (text: string): Torrc => Result.getOrThrow(parseTorrc(text)).lines
const merged = (...layers: ReadonlyArray<string>): string => renderTorrc(mergeTorrcs(layers.map(read)))

describe("laws", () => {
  it.prop("an empty layer changes nothing, wherever it lies", [anyLayer, anyLayer], ([low, high]) => {
    const without = mergeTorrcs([low, high])
    for (const layers of [[[], low, high], [low, [], high], [low, high, []]]) {
      expect(mergeTorrcs(layers)).toEqual(without)
    }
  }, { arbitrary: { runs: 500 } })

  it.prop("the result is flat, merges to itself, and is what its text says", [anyLayer, anyLayer], ([low, high]) => {
    const result = mergeTorrcs([low, high])
    expect(result.every(({ mode }) => mode === "set")).toBe(true)
    expect(mergeTorrcs([result])).toEqual(result)
    expect(read(renderTorrc(result))).toEqual(result)
  }, { arbitrary: { runs: 500 } })

  it.prop("the lower layers can be merged first", [anyLayer, anyLayer, anyLayer], ([a, b, c]) => {
    expect(mergeTorrcs([mergeTorrcs([a, b]), c])).toEqual(mergeTorrcs([a, b, c]))
  }, { arbitrary: { runs: 500 } })

  it.prop(
    "every line of the result is a line of the layer that it is said to be from",
    [anyLayer, anyLayer, anyLayer],
    (
      layers
    ) => {
      const traced = traceMerge(layers)
      expect(traced.map(({ option, value }) => ({ option, value }))).toEqual(
        mergeTorrcs(layers).map(({ option, value }) => ({ option, value }))
      )
      for (const { option, value, line, layer } of traced) {
        const source = layers[layer]?.find((each) => each.line === line)
        expect(source).toMatchObject({ option, value })
      }
    },
    { arbitrary: { runs: 500 } }
  )

  // With + or / in a higher layer this cannot hold: they speak of what lies below.
  it.prop("without + and / it is associative", [anySettingLayer, anySettingLayer, anySettingLayer], ([a, b, c]) => {
    expect(mergeTorrcs([a, mergeTorrcs([b, c])])).toEqual(mergeTorrcs([mergeTorrcs([a, b]), c]))
  }, { arbitrary: { runs: 500 } })

  it.prop("to clear and then append is to set", [anyLayer, anySettingLayer], ([low, high]) => {
    const cleared = high.flatMap((line, index): Torrc => {
      const append = { ...line, mode: "append" as const }
      const first = high.findIndex(({ option }) => option === line.option) === index
      const repeats = optionNamed(line.option)?.repeats === true
      return first && repeats ? [{ ...line, mode: "clear", value: "" }, append] : [append]
    })
    expect(mergeTorrcs([low, cleared])).toEqual(mergeTorrcs([low, high]))
  }, { arbitrary: { runs: 500 } })
})

describe("what tor does", () => {
  it("lines of a repeating option replace those below, + adds, / clears", () => {
    const low = "ExitPolicy reject *:25\nExitPolicy accept *:80"
    expect(merged(low, "ExitPolicy reject *:*")).toBe("ExitPolicy reject *:*\n")
    expect(merged(low, "+ExitPolicy reject *:*")).toBe(
      "ExitPolicy reject *:25\nExitPolicy accept *:80\nExitPolicy reject *:*\n"
    )
    expect(merged(low, "+ExitPolicy accept *:1\nExitPolicy accept *:2")).toBe(
      "ExitPolicy reject *:25\nExitPolicy accept *:80\nExitPolicy accept *:1\nExitPolicy accept *:2\n"
    )
    expect(merged(low, "/ExitPolicy")).toBe("")
    expect(merged(low, "ExitPolicy")).toBe("ExitPolicy reject *:25\nExitPolicy accept *:80\n")
  })

  it("of any other option the last line wins, and / sets it to nothing", () => {
    expect(merged("NumCPUs 1", "NumCPUs 2\nNumCPUs 3")).toBe("NumCPUs 3\n")
    expect(merged("NumCPUs 1", "+NumCPUs 2")).toBe("NumCPUs 2\n")
    expect(merged("ContactInfo a", "/ContactInfo")).toBe("ContactInfo\n")
  })

  it("options of onion services stay in their order, and replace each other as one list", () => {
    const low = "HiddenServiceDir /a\nHiddenServicePort 80\nHiddenServiceDir /b\nHiddenServicePort 81"
    expect(merged(low)).toBe(`${low}\n`)
    expect(merged(low, "HiddenServiceDir /c\nHiddenServicePort 82")).toBe("HiddenServiceDir /c\nHiddenServicePort 82\n")
    expect(merged(low, "+HiddenServiceDir /c\nHiddenServicePort 82")).toBe(
      `${low}\nHiddenServiceDir /c\nHiddenServicePort 82\n`
    )
    expect(merged("ORPort 1\nNumCPUs 1", "__ORPort 2")).toBe("NumCPUs 1\n__ORPort 2\n")
  })

  it("the layer that each line is from", () => {
    const layers = ["NumCPUs 1\nExitPolicy reject *:25", "\n+ExitPolicy accept *:80", "NumCPUs 2"].map(read)
    expect(traceMerge(layers).map(({ option, layer, line }) => [option, layer, line])).toEqual([
      ["ExitPolicy", 0, 2],
      ["ExitPolicy", 1, 2],
      ["NumCPUs", 2, 1]
    ])
  })

  it("three layers", () => {
    expect(merged("Log notice syslog\nNumCPUs 1", "+Log warn stderr", "+Log err stdout\nNumCPUs 2")).toBe(
      "Log notice syslog\nLog warn stderr\nLog err stdout\nNumCPUs 2\n"
    )
  })
})
