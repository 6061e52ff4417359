import { assert, describe, expect, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { editLayer, type LayerEdit } from "../../src/torrc/editLayer.ts"
import { optionNamed } from "../../src/torrc/OptionTable.ts"
import { parseTorrc } from "../../src/torrc/parse.ts"
import { anyTorText } from "./ArbitraryTorText.ts"

const OPTIONS = ["NumCPUs", "ExitPolicy", "ContactInfo", "HeartbeatPeriod", "MyFamily"]
const anyOption = Arbitrary.schema(Schema.Literals(OPTIONS))
const anyValues = Arbitrary.array(
  Arbitrary.schema(Schema.Literals(["1", "a b", "#", "\"", "\\", "a\\", " x", "é\t"])),
  { minLength: 1, maxLength: 3 }
)

const edited = (text: string, edit: LayerEdit): string => Result.getOrThrow(editLayer(text, edit)).text
const refusal = (text: string, edit: LayerEdit): string => Result.getOrThrow(Result.flip(editLayer(text, edit))).message
const set = (option: string, ...values: ReadonlyArray<string>): LayerEdit => ({ how: "set", option, values })
const remove = (option: string): LayerEdit => ({ how: "remove", option })

const linesOf = (text: string) =>
  Result.getOrThrow(parseTorrc(text)).lines.map(({ option, mode, value }) => ({ option, mode, value }))

describe("laws", () => {
  it.prop("set says just the values of the option, and of all others what was said", [
    anyTorText,
    anyOption,
    Arbitrary.schema(Schema.Literals(["", "+"])),
    anyValues
  ], ([text, option, sign, some]) => {
    if (Result.isFailure(parseTorrc(text))) return
    const values = optionNamed(option)?.repeats === true ? some : some.slice(0, 1)
    const after = edited(text, set(`${sign}${option}`, ...values))
    const mode = sign === "+" ? "append" : "set"
    expect(linesOf(after).filter((line) => line.option === option)).toEqual(
      values.map((value) => ({ option, mode, value }))
    )
    expect(linesOf(after).filter((line) => line.option !== option)).toEqual(
      linesOf(text).filter((line) => line.option !== option)
    )
    expect(edited(after, set(`${sign}${option}`, ...values))).toBe(after)
  }, { arbitrary: { runs: 400 } })

  it.prop("remove takes the option's lines out and nothing else", [anyTorText, anyOption], ([text, option]) => {
    if (Result.isFailure(parseTorrc(text))) return
    const after = edited(text, remove(option))
    expect(linesOf(after)).toEqual(linesOf(text).filter((line) => line.option !== option))
    expect(edited(after, remove(option))).toBe(after)
  }, { arbitrary: { runs: 400 } })

  it.prop("what was set anew can be removed again", [anyTorText, anyOption], ([text, option]) => {
    if (Result.isFailure(parseTorrc(text))) return
    const without = edited(text, remove(option))
    expect(linesOf(edited(edited(without, set(option, "1")), remove(option)))).toEqual(linesOf(without))
  }, { arbitrary: { runs: 200 } })
})

const LAYER = `# of the whole fleet
NumCPUs 2 # two
exitpolicy accept *:80

# web only
ExitPolicy accept *:443 # https
ContactInfo me \\
  at example
`

describe("editLayer", () => {
  it("puts new lines in the place of the old ones, and keeps comments of their own", () => {
    expect(edited(LAYER, set("ExitPolicy", "reject *:25", "accept *:*"))).toBe(`# of the whole fleet
NumCPUs 2 # two
ExitPolicy reject *:25
ExitPolicy accept *:*

# web only
ContactInfo me \\
  at example
`)
  })

  it("puts an option that was not there at the end", () => {
    expect(edited("NumCPUs 2", set("contactinfo", "a # b"))).toBe("NumCPUs 2\nContactInfo \"a # b\"\n")
    expect(edited("", set("/ExitPolicy"))).toBe("/ExitPolicy\n")
  })

  it("puts it before a last line that would swallow it", () => {
    expect(edited("ContactInfo me \\\n", set("NumCPUs", "2"))).toBe("NumCPUs 2\nContactInfo me \\\n")
  })

  it("takes a value over several lines out whole", () => {
    expect(edited(LAYER, remove("ContactInfo")).endsWith("ExitPolicy accept *:443 # https\n")).toBe(true)
  })

  it("says the name that an abbreviation stands for", () => {
    assert.deepInclude(Result.getOrThrow(editLayer("", set("Heartb", "1 hour"))), {
      text: "HeartbeatPeriod 1 hour\n",
      option: "HeartbeatPeriod",
      warnings: ["\"Heartb\" is an abbreviation of HeartbeatPeriod"]
    })
  })

  it.each<readonly [edit: LayerEdit, says: string]>([
    [set("ExitPolcy", "x"), "did you mean ExitPolicy?"],
    [set("ExitPolcy"), "did you mean ExitPolicy?"],
    [remove("ExitPolcy"), "did you mean ExitPolicy?"],
    [set("NumCPUs", "1", "2"), "NumCPUs takes one value, and 2 were given"],
    [set("ExitPolicy"), "To clear what the layers below say: /ExitPolicy"],
    [set("ExitPolicy", ""), "ExitPolicy has no value"],
    [set("/ExitPolicy", "x"), "takes no value"],
    [set("RunTesting", "1"), "tor no longer has RunTesting"],
    [set("ORPortLines", "1"), "cannot be set"],
    [set("%include", "/etc/passwd"), "%include is refused"],
    [set("ContactInfo", "a\nControlPort 9051"), "holds a control character"],
    [set("NumCPUs 1\nControlPort", "9051"), "tor has no option"]
  ])("refuses %j: %s", (edit, says) => {
    expect(refusal("NumCPUs 2\n", edit)).toContain(says)
  })

  it("changes no text that cannot be read", () => {
    expect(refusal("ContactInfo \"a\n", set("NumCPUs", "2"))).toContain("line 1, column 13")
  })
})
