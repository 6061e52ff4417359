import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import type { ParsedTorrc } from "../../src/torrc/parse.ts"
import { LONGEST_TORRC, parseTorrc } from "../../src/torrc/parse.ts"
import { renderTorrc } from "../../src/torrc/render.ts"
import type { TorrcSyntaxError } from "../../src/torrc/TorrcSyntaxError.ts"
import { anyText, anyTorrc } from "./ArbitraryTorrc.ts"

const parsed = (text: string): ParsedTorrc => Result.getOrThrow(parseTorrc(text))
const values = (text: string) => parsed(text).lines.map(({ option, mode, value }) => [option, mode, value])
const problem = (text: string): TorrcSyntaxError => Result.getOrThrow(Result.flip(parseTorrc(text)))

describe("laws", () => {
  it.prop("what was rendered is read back", [anyTorrc], ([torrc]) => {
    expect(parsed(renderTorrc(torrc)).lines).toEqual(torrc)
  }, { arbitrary: { runs: 1000 } })

  it.prop("rendering what was read changes nothing any more", [anyText], ([text]) => {
    const first = parseTorrc(text)
    if (Result.isFailure(first)) return
    const canonical = renderTorrc(first.success.lines)
    expect(renderTorrc(parsed(canonical).lines)).toBe(canonical)
  }, { arbitrary: { runs: 1000 } })

  it.prop("any text is a torrc or an error with a line of that text, and never a throw", [anyText], ([text]) => {
    const result = parseTorrc(text)
    if (Result.isSuccess(result)) return
    const { line, column, problems, message } = result.failure
    expect(line).toBeGreaterThanOrEqual(1)
    expect(line).toBeLessThanOrEqual(text.split("\n").length)
    expect(column).toBeGreaterThanOrEqual(1)
    expect(problems.length).toBeLessThanOrEqual(20)
    expect(message).toContain(`line ${line}`)
  }, { arbitrary: { runs: 4000 } })

  it.prop("line ends of Windows mean the same", [anyTorrc], ([torrc]) => {
    expect(parsed(renderTorrc(torrc).replaceAll("\n", "\r\n")).lines).toEqual(torrc)
  })

  it.prop("upper and lower case of names mean the same", [anyTorrc], ([torrc]) => {
    const shouted = torrc.map((line) => ({ ...line, option: line.option.toUpperCase() }))
    expect(parsed(renderTorrc(shouted)).lines.map(({ option }) => option)).toEqual(torrc.map(({ option }) => option))
  })
})

describe("what tor reads", () => {
  it("comments, blank lines and spaces", () => {
    expect(values("# c\n\n  NumCPUs\t 2  # two\n#\nContactInfo a#b\n")).toEqual([
      ["NumCPUs", "set", "2"],
      ["ContactInfo", "set", "a"]
    ])
  })

  it("continued lines, where a comment no longer ends the value", () => {
    expect(values("ContactInfo foo \\\n# comment\n bar\nNumCPUs 2")).toEqual([
      ["ContactInfo", "set", "foo  bar"],
      ["NumCPUs", "set", "2"]
    ])
    expect(values("ContactInfo foo \\\n bar # c\nNickname x\n")).toEqual([[
      "ContactInfo",
      "set",
      "foo  bar Nickname x"
    ]])
    expect(values("ContactInfo foo \\\r\n bar\r\n")).toEqual([["ContactInfo", "set", "foo  bar"]])
    expect(values("ContactInfo foo \\\n")).toEqual([["ContactInfo", "set", "foo \\"]])
  })

  it("quoted values with C escapes, as bytes of UTF-8", () => {
    expect(values(String.raw`ContactInfo "a\303\251 \"\x41\101\\\t # x" # c`)).toEqual([
      ["ContactInfo", "set", "aé \"AA\\\t # x"]
    ])
  })

  it("+, / and empty values", () => {
    expect(values("+ExitPolicy reject *:25\n/ExitPolicy\nContactInfo\n")).toEqual([
      ["ExitPolicy", "append", "reject *:25"],
      ["ExitPolicy", "clear", ""],
      ["ContactInfo", "set", ""]
    ])
  })
})

describe("warnings", () => {
  const warned = (text: string) => parsed(text).warnings.map(({ line, message }) => `${line}: ${message}`)

  it("names the option that an abbreviation or an old name stands for", () => {
    expect(values("Nick foo")).toEqual([["Nickname", "set", "foo"]])
    expect(warned("\nNick foo")).toEqual(["2: \"Nick\" is an abbreviation of Nickname"])
    expect(values("dirserver x")).toEqual([["DirAuthority", "set", "x"]])
    expect(warned("dirserver x")).toEqual(["1: \"dirserver\" is an old name of DirAuthority"])
  })

  it("leaves out what tor would skip", () => {
    expect(values("RunTesting 1\nExitPolicy\n/ExitPolicy all\n")).toEqual([["ExitPolicy", "clear", ""]])
    expect(warned("RunTesting 1\nExitPolicy\n/ExitPolicy all\n")).toEqual([
      "1: tor no longer has RunTesting; the line was left out",
      "2: ExitPolicy has no value; the line was left out. To clear the option write /ExitPolicy",
      "3: /ExitPolicy takes no value; what follows it is ignored"
    ])
  })

  it("says that the last of two lines wins, for options that do not repeat", () => {
    expect(warned("NumCPUs 1\nNumCPUs 2\nExitPolicy accept *:1\nExitPolicy reject *:*")).toEqual([
      "2: NumCPUs was set on line 1 already; this later line wins"
    ])
  })
})

describe("errors", () => {
  it("names the line and the column, and what was meant", () => {
    expect(problem("NumCPUs 2\n  ExitPolcy reject *:*\n")).toMatchObject({
      line: 2,
      column: 3,
      problems: [{ message: "tor has no option \"ExitPolcy\"; did you mean ExitPolicy?" }]
    })
  })

  it("collects all of them", () => {
    const { problems } = problem(
      "Foo 1\nContactInfo \"a\nContactInfo \"a\\q\"\nContactInfo \"a\" b\nNumCPUs 2\nORPortLines 1\n"
    )
    expect(problems.map(({ line, column }) => [line, column])).toEqual([[1, 1], [2, 13], [3, 15], [4, 17], [6, 1]])
  })

  it("refuses %include however it is written", () => {
    for (const text of ["%include /etc/passwd", "+%INCLUDE /x", "/%Include x", "%include"]) {
      expect(problem(text).message).toContain("%include is refused")
    }
  })

  it("refuses control characters, in the text and by escape", () => {
    expect(problem("NumCPUs 2\nContactInfo a\0b")).toMatchObject({ line: 2, column: 14 })
    expect(problem("ContactInfo a\rControlPort 1")).toMatchObject({ line: 1, column: 14 })
    for (const escape of ["\\n", "\\r", "\\0", "\\x00", "\\x7f", "\\302\\205"]) {
      expect(problem(`ContactInfo "a${escape}b"`).message).toContain("control character")
    }
    expect(problem("ContactInfo \"\\377\"").message).toContain("UTF-8")
    expect(problem("ContactInfo \ud800").message).toContain("surrogate")
    expect(problem("\ufeffContactInfo a").message).toContain("byte-order mark")
  })

  it("refuses a text without end, and reads the longest one fast", () => {
    expect(problem("#".repeat(LONGEST_TORRC + 1)).message).toContain("longer than")
    for (const piece of ["#\n", "\\\n", "ContactInfo a \\\n", "\"\\x41", "F 1\n", "ContactInfo \"", "\u0001\n", "é"]) {
      const start = performance.now()
      parseTorrc(piece.repeat(Math.floor(LONGEST_TORRC / piece.length)))
      expect(performance.now() - start).toBeLessThan(20_000)
    }
  })
})
