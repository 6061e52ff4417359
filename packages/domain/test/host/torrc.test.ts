import { afterAll, assert, describe, expect, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
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
import { handWritten, type Verdict } from "../torrc/handWritten.ts"
import { askEach } from "./askEach.ts"
import { dumpDifference } from "./dumpDifference.ts"
import { sameInContacts, sameInRenderings, sameInThreeLayers, sameInTwoLayers } from "./sameMeaning.ts"
import { TorOracle } from "./TorOracle.ts"

const tor = new TorOracle()
afterAll(() => tor.close())

const cases = (verdict: Verdict) => handWritten(verdict).map((each) => [each.name, each] as const)
const mustRead = (text: string) => Result.getOrThrow(parseTorrc(text)).lines

describe("the option table is this tor's", () => {
  it("has the same options", async () => {
    expect(OPTION_TABLE.map(({ name }) => name).sort()).toEqual([...await tor.options()].sort())
  })

  it("has the same obsolete options", async () => {
    const names = OBSOLETE_OPTIONS.split(/\s+/).filter((word) => word !== "")
    const { stdout } = await tor.verify(names.map((name) => `${name} 1\n`).join(""))
    for (const name of names) expect(stdout).toContain(`Skipping obsolete configuration option "${name}"`)
  })

  it.live("has the same old names", () =>
    askEach(Object.entries(OPTION_ALIASES), async ([alias, name]) => {
      const { stdout } = await tor.verify(`${alias} 0\n`)
      assert.notMatch(stdout, /Unknown option|The abbreviation/, alias)
      if (optionNamed(name) === undefined) expect(stdout).toContain(`obsolete configuration option "${name}"`)
    }))

  it.live("expands abbreviations to the same names", () =>
    Effect.gen(function*() {
      const prefixes = [...new Set(OPTION_TABLE.map(({ name }, index) => name.slice(0, 1 + index % 11)))]
      const abbreviations = prefixes.filter((prefix) => findOption(prefix)?.written === "abbreviation")
      expect(abbreviations.length).toBeGreaterThan(150)
      yield* askEach(abbreviations, async (prefix) => {
        const name = findOption(prefix)?.option.name
        const { stdout } = await tor.verify(`${prefix} 0\n`)
        expect(stdout).toContain(`The abbreviation '${prefix}' is deprecated. Please use '${name}' instead`)
      })
    }))

  it.live("repeats the same options", () =>
    Effect.gen(function*() {
      const warnings = yield* askEach(OPTION_TABLE, async ({ name, repeats }) => {
        const { stdout } = await tor.verify(`${name} 0\n${name} 0\n`)
        const warned = stdout.includes(`Option '${name}' used more than once`)
        assert.isFalse(warned && repeats, name)
        if (!repeats && !warned) assert.match(stdout, /Could not parse|Unrecognized|Failed to parse/, name)
        return warned
      })
      expect(warnings.filter((warned) => warned).length).toBeGreaterThan(200)
    }))
})

describe("tor reads the same", () => {
  it.each(cases("same"))("in %s", async (_, { torrc, defaults }) => {
    const meant = await tor.meaning(torrc, defaults)
    assert.isDefined(meant)
    const lines = mustRead(torrc)
    const ours = defaults === undefined
      ? [lines, mergeTorrcs([lines])]
      : [mergeTorrcs([mustRead(defaults), lines])]
    for (const rendered of ours.map(renderTorrc)) {
      assert.deepEqual(dumpDifference(meant, await tor.meaning(rendered)), [], rendered)
    }
  })

  it.each(cases("wrong"))("no more than we do in %s", async (_, { torrc }) => {
    assert.isUndefined(await tor.meaning(torrc))
  })

  it.each(cases("stricter"))("where we refuse to, in %s", async (_, { torrc }) => {
    assert.isDefined(await tor.meaning(torrc))
  })

  // More of each: the faults tier.
  it.live("in a text and in our rendering of it", () => sameInRenderings(tor, 50))
  it.live("in any ContactInfo", () => sameInContacts(tor, 30))
  it.live("in two layers and in our merge of them", () => sameInTwoLayers(tor, 40))
  it.live("in three layers and in our merge of them", () => sameInThreeLayers(tor, 30))

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
