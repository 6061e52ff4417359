import { afterAll, assert, describe, expect, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { Ipv4 } from "../../src/net/Ipv4.ts"
import { Ipv6 } from "../../src/net/Ipv6.ts"
import { RelayName } from "../../src/relay/RelayName.ts"
import { Slot } from "../../src/relay/Slot.ts"
import { managedLines, renderRelayTorrc } from "../../src/torrc/ManagedLines.ts"
import { mergeTorrcs } from "../../src/torrc/merge.ts"
import { OBSOLETE_OPTIONS, OPTION_ALIASES } from "../../src/torrc/OptionList.ts"
import { findOption, OPTION_TABLE, optionNamed } from "../../src/torrc/OptionTable.ts"
import { parseTorrc } from "../../src/torrc/parse.ts"
import { renderTorrc } from "../../src/torrc/render.ts"
import { settingOf } from "../../src/torrc/Torrc.ts"
import { anyValue } from "../torrc/ArbitraryTorrc.ts"
import { TorOracle } from "./TorOracle.ts"

const tor = new TorOracle()
afterAll(() => tor.close())

const pick = <A extends string>(values: ReadonlyArray<A>) => Arbitrary.schema(Schema.Literals(values))

// Values that tor takes, so that what is compared is the meaning of lines and not of values.
const VALUES: Readonly<Record<string, ReadonlyArray<string>>> = {
  NumCPUs: ["1", "2", "3"],
  ExitRelay: ["0", "1", "auto"],
  BandwidthRate: ["5 MB", "200 KBytes", "\"7 MB\""],
  HeartbeatPeriod: ["1 hour", "90 minutes", ""],
  FirewallPorts: ["80", "80,443"],
  ExitPolicy: ["accept *:80", "reject *:25", "\"reject 192.0.2.0/24:*\"", "reject6 *:*", ""],
  EntryNodes: ["{de}", "{fr},{it}"],
  Log: ["notice stdout", "[net]info-err syslog", "warn stderr"],
  MyFamily: [`$${"A".repeat(40)}`, `$${"B".repeat(40)},$${"C".repeat(40)}`],
  ServerDNSTestAddresses: ["example.com,example.org", ""]
}

const spelling = (name: string) =>
  pick([name, name.toLowerCase(), name.toUpperCase(), name.slice(0, -1), `+${name}`, `/${name}`])

const anyLine = Arbitrary.flatMap(pick(Object.keys(VALUES)), (name) =>
  Arbitrary.map(
    Arbitrary.all({
      key: spelling(name),
      gap: pick([" ", "\t", "  ", " \\\n", "\\\n"]),
      value: pick(VALUES[name] ?? []),
      end: pick(["\n", " # c\n", "\r\n", " \n\n# c\n"])
    }),
    // Neither a quoted value nor an empty one can follow a continued line, and a comment there does not end the value.
    ({ key, gap, value, end }) => {
      if (!gap.includes("\n")) return `${key}${gap}${value}${end}`
      return `${key}${value === "" || value.startsWith("\"") ? " " : gap}${value}\n`
    }
  ))

const anyContact = Arbitrary.map(
  Arbitrary.array(
    pick(["a", " ", "\t", "#", "\"", "\\", "\\\n", "\n", "\\n", "\\x41", "\\303\\251", "é", "NumCPUs 2", "\r\n"]),
    {
      maxLength: 10
    }
  ),
  (pieces) => `ContactInfo ${pieces.join("")}\n`
)

const anySafeText = Arbitrary.map(
  Arbitrary.all([Arbitrary.array(anyLine, { maxLength: 8 }), anyContact, Arbitrary.array(anyLine, { maxLength: 4 })]),
  ([before, contact, after]) => [...before, contact, ...after].join("")
)

const anyLayerText = Arbitrary.map(Arbitrary.array(anyLine, { maxLength: 10 }), (lines) => lines.join(""))

const read = (text: string) => Result.map(parseTorrc(text), ({ lines }) => lines)
const meaning = (torrc: string, defaults = "") => Effect.promise(() => tor.meaning(torrc, defaults))
const mustRead = (text: string) => Result.getOrThrow(read(text))

describe("the option table is this tor's", () => {
  it("has the same options", async () => {
    expect(OPTION_TABLE.map(({ name }) => name).sort()).toEqual([...await tor.options()].sort())
  })

  it("has the same obsolete options", async () => {
    for (const name of OBSOLETE_OPTIONS.split(/\s+/).filter((word) => word !== "")) {
      expect((await tor.verify(`${name} 1\n`)).stdout).toContain(`Skipping obsolete configuration option "${name}"`)
    }
  })

  it("has the same old names", async () => {
    for (const [alias, name] of Object.entries(OPTION_ALIASES)) {
      const { stdout } = await tor.verify(`${alias} 0\n`)
      assert.notMatch(stdout, /Unknown option|The abbreviation/, alias)
      if (optionNamed(name) === undefined) expect(stdout).toContain(`obsolete configuration option "${name}"`)
    }
  })

  it("expands abbreviations to the same names", async () => {
    const prefixes = new Set(OPTION_TABLE.map(({ name }, index) => name.slice(0, 1 + index % 11)))
    let compared = 0
    for (const prefix of prefixes) {
      const found = findOption(prefix)
      if (found?.written !== "abbreviation") continue
      const { stdout } = await tor.verify(`${prefix} 0\n`)
      expect(stdout).toContain(`The abbreviation '${prefix}' is deprecated. Please use '${found.option.name}' instead`)
      compared++
    }
    expect(compared).toBeGreaterThan(150)
  })

  it("repeats the same options", async () => {
    let compared = 0
    for (const { name, repeats } of OPTION_TABLE) {
      const { stdout } = await tor.verify(`${name} 0\n${name} 0\n`)
      const warned = stdout.includes(`Option '${name}' used more than once`)
      if (warned) compared++
      assert.isFalse(warned && repeats, name)
      if (!repeats && !warned) assert.match(stdout, /Could not parse|Unrecognized|Failed to parse/, name)
    }
    expect(compared).toBeGreaterThan(200)
  })
})

describe("tor reads the same", () => {
  it.live("in a text and in our rendering of it", () =>
    Effect.gen(function*() {
      const texts = yield* Arbitrary.sampleEffect(anySafeText, { count: 450 })
      const compared = yield* Effect.forEach(texts, (text) =>
        Effect.gen(function*() {
          const ours = read(text)
          const meant = yield* meaning(text)
          if (Result.isFailure(ours)) {
            // A newline or NUL in a value is refused though tor takes it (design, "Server"); all else tor refuses too.
            if (!/holds a control character/.test(ours.failure.message)) assert.isUndefined(meant, text)
            return false
          }
          const rendered = renderTorrc(ours.success)
          assert.deepEqual(difference(meant, yield* meaning(rendered)), [], `${text}---\n${rendered}`)
          return meant !== undefined
        }), { concurrency: 4 })
      expect(compared.filter((both) => both).length).toBeGreaterThanOrEqual(200)
    }))

  it.live("in any ContactInfo", () =>
    Effect.gen(function*() {
      const values = yield* Arbitrary.sampleEffect(anyValue, { count: 100 })
      yield* Effect.forEach(values, (value) =>
        Effect.gen(function*() {
          const meant = yield* meaning(renderTorrc([settingOf("ContactInfo", value, 1)]))
          assert.isDefined(meant, value)
          expect(contactIn(meant ?? "")).toBe(value)
        }), { concurrency: 4 })
      expect(contactIn((yield* meaning("")) ?? "")).toBe("")
    }))

  it.live("in two layers and in our merge of them", () =>
    Effect.gen(function*() {
      const pairs = yield* Arbitrary.sampleEffect(Arbitrary.all([anyLayerText, anyLayerText]), { count: 250 })
      const compared = yield* Effect.forEach(pairs, ([low, high]) =>
        Effect.gen(function*() {
          const meant = yield* meaning(high, low)
          const merged = renderTorrc(mergeTorrcs([mustRead(low), mustRead(high)]))
          assert.deepEqual(difference(meant, yield* meaning(merged)), [], `${low}---\n${high}---\n${merged}`)
          return meant !== undefined
        }), { concurrency: 4 })
      expect(compared.filter((both) => both).length).toBeGreaterThanOrEqual(200)
    }))

  it("in the file that Patela writes, without a warning about its lines", async () => {
    const managed = managedLines({
      name: RelayName.make("toma"),
      ipv4: Ipv4.make("192.0.2.7"),
      ipv6: Schema.decodeSync(Ipv6)("2001:db8::7"),
      orPort: 9001,
      dirPort: null,
      slot: Slot.make(3),
      relayCount: 4,
      memoryBytes: 8 * 1024 ** 3,
      resolvConf: "/etc/resolv.conf",
      geoip: false
    })
    const file = renderRelayTorrc({ managed, resolved: mustRead("ContactInfo ops # x\nExitRelay 0\n") })
    const verdict = await tor.verify(file)
    assert.strictEqual(verdict.code, 0, verdict.stdout)
    expect(verdict.stdout).not.toMatch(/used more than once|deprecated|abbreviation|Skipping/)
    const meant = await tor.meaning(file) ?? ""
    for (const line of ["Nickname toma", "Address [2001:db8::7]", "ORPort [2001:db8::7]:9001", "SocksPort 0"]) {
      expect(meant.split("\n")).toContain(line)
    }
    expect(meant.split("\n")).toContain(`MaxMemInQueues ${1024 ** 3}`)
  })
})

/** The ContactInfo of a dump, read with our own rules where tor quoted it. */
const contactIn = (dump: string): string => {
  const line = dump.split("\n").find((text) => text.startsWith("ContactInfo "))?.slice("ContactInfo ".length) ?? ""
  return line.startsWith("\"") ? mustRead(`ContactInfo ${line}`)[0]?.value ?? "" : line
}

/** The lines that only one of two dumps has; a torrc that tor refuses is one line of its own. */
const difference = (left = "refused by tor", right = "refused by tor"): ReadonlyArray<string> => {
  const [before, after] = [left.split("\n"), right.split("\n")]
  if (left !== right && (before.length < 3 || after.length < 3)) return [`- ${before[0]}`, `+ ${after[0]}`]
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
    ...left === right || before.length !== after.length ? [] : before.filter((line, index) => line !== after[index])
  ]
}
