import { assert, describe, it } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { Ed25519Fingerprint, RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import { RelayName } from "@patela/domain/relay/RelayName"
import { lineDifferences, shownLine } from "@patela/domain/torrc/lineDifferences"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { Effect, Layer, Schema } from "effect"
import type { LookedAt } from "../src/host/LookAtFile.ts"
import { FileNotWritten } from "../src/host/ReplaceFile.ts"
import type { LedgerReader } from "../src/ledger/LedgerReader.ts"
import type { LedgerWriter } from "../src/ledger/LedgerWriter.ts"
import { desiredTorrcs } from "../src/torrc/DesiredTorrc.ts"
import { TorrcReader } from "../src/torrc/TorrcReader.ts"
import { Torrcs } from "../src/torrc/Torrcs.ts"
import { complaintIn, TorrcRefused, TorrcVerifier } from "../src/torrc/TorrcVerifier.ts"
import { TorrcWriter } from "../src/torrc/TorrcWriter.ts"
import { type Broken, CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"
import { FAMILIES } from "./TestFamilies.ts"

type Services = Monitors | TorrcReader | TorrcWriter | TorrcVerifier | LedgerReader | LedgerWriter

const CHEESES = ["toma", "robiola", "brie"]
/** What nobody may see, whether the configuration or the host has it. */
const SECRET = "16:C0FFEEC0FFEE"
const Relay = Schema.Struct({
  name: Schema.Literals(CHEESES),
  torrc: Schema.Literals([
    "",
    "ContactInfo me\n",
    "ContactInfo refuse\n",
    "User root\n",
    "Nonsense 1\n",
    `HashedControlPassword ${SECRET}\n`,
    `Nonsense ${SECRET}\n`
  ])
})
const Start = Schema.Array(Schema.Struct({
  name: Schema.Literals(CHEESES),
  owned: Schema.Boolean,
  content: Schema.Literals([
    `${OWNED_HEADER}\nNickname x\n`,
    `${OWNED_HEADER}\nHashedControlPassword ${SECRET}\n# ${SECRET}\n`,
    `HashedControlPassword ${SECRET}\n`,
    "SocksPort 0\n",
    "",
    "not a file"
  ]),
  mode: Schema.Literals([0o640, 0o644])
}))

/** Torrcs in memory, with a tor that refuses one kind of line. That of a broken relay cannot be written. */
const worldOf = (start: typeof Start.Type) => (broken: Broken): World<Services> => {
  const files = new Map<RelayName, LookedAt>()
  const owned = new Set<RelayName>()
  for (const { content, mode, name, owned: isOwned } of start) {
    const relay = RelayName.make(name)
    files.set(relay, content === "not a file" ? { type: content } : { type: "file", content, mode, uid: 0, gid: 0 })
    if (isOwned) owned.add(relay)
    else owned.delete(relay)
  }
  const host = new FakeHost({ instances: [...owned] })
  const foreign = [...files].filter(([relay, found]) =>
    found.type !== "file" || (!owned.has(relay) && !found.content.startsWith(OWNED_HEADER))
  ).map(([relay]) => relay)
  const write = (relay: RelayName, change: () => void) =>
    broken.has(relay)
      ? Effect.fail(new FileNotWritten({ path: relay, message: "the disk is full" }))
      : host.write(change)
  const layer = Layer.mergeAll(
    noMonitors,
    host.ledger(),
    Layer.succeed(TorrcReader, { readAll: Effect.sync(() => new Map(files)) }),
    Layer.succeed(TorrcVerifier, {
      verify: (relay, content) =>
        content.includes("refuse") ? Effect.fail(new TorrcRefused({ relay, message: "tor refuses" })) : Effect.void
    }),
    Layer.succeed(TorrcWriter, {
      write: ({ content, gid, relay }) =>
        write(relay, () => files.set(relay, { type: "file", content, mode: 0o640, uid: 0, gid })),
      remove: (relay) => write(relay, () => files.delete(relay))
    })
  )
  return { host, layer, foreign: () => foreign.map((relay) => files.get(relay)), secrets: [SECRET] }
}

const kind: Kind<Services, Services> = Torrcs
const inputOf = (relays: ReadonlyArray<typeof Relay.Type>) =>
  nodeInput(
    [...new Map(relays.map((relay) => [relay.name, relay])).values()].map(({ name, torrc }) =>
      relayAt(CHEESES.indexOf(name), name, torrc)
    )
  )

const onlyTorrc = (torrc: string) => {
  const [resource] = desiredTorrcs(nodeInput([relayAt(0, "toma", torrc)], ["192.0.2.53"]))
  return resource ?? assert.fail("one relay has one torrc")
}

describe("torrc", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, ${said}`,
      [Schema.Array(Relay), Start],
      ([relays, start]) => kindLaws(kind, inputOf(relays), worldOf(start), undefined, kills),
      runs
    )
  }

  it.effect("what tor refuses fails alone", () =>
    Effect.gen(function*() {
      const input = inputOf([{ name: "toma", torrc: "ContactInfo refuse\n" }, { name: "brie", torrc: "" }])
      assert.deepStrictEqual([...yield* kindLaws(kind, input, worldOf([]))], ["relay/toma/torrc"])
    }))

  it.effect("a refused configuration leaves in place what is there", () =>
    Effect.gen(function*() {
      const start = [{ name: "toma", owned: true, content: `${OWNED_HEADER}\nNickname x\n`, mode: 0o640 }] as const
      const { layer } = worldOf(start)(new Set())
      const plan = yield* Effect.provide(kind.plan(inputOf([{ name: "toma", torrc: "User root\n" }])), layer)
      assert.deepStrictEqual(plan.changes, [])
      assert.deepStrictEqual(plan.refused.map(({ address }) => address), ["relay/toma/torrc"])
    }))

  it("is refused on the node for what could run programs or write files, with the line", () => {
    const bad = [
      "ServerTransportPlugin obfs4 exec /bin/sh",
      "%include /etc/shadow",
      "User root",
      "DataDirectory /tmp",
      "PidFile /etc/passwd",
      "Log notice file /etc/cron.d/x",
      "ControlPort 9051",
      "DirPortFrontPage /etc/shadow",
      "HiddenServiceDir /tmp/x"
    ]
    for (const line of bad) {
      const resource = onlyTorrc(`ContactInfo me\n${line}\n`)
      assert.isTrue("refused" in resource, line)
      if ("refused" in resource) assert.include(resource.refused, "line 2", line)
    }
  })

  it("leaves out what Patela writes itself", () => {
    const resource = onlyTorrc(
      "MyFamily $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nORPort 1234\nNickname other\nExitRelay 0\n"
    )
    const content = "value" in resource ? resource.value.content : assert.fail(resource.refused)
    assert.match(content, /^ExitRelay 0$/m)
    assert.match(content, /^Nickname toma$/m)
    assert.match(content, /^ServerDNSResolvConfFile \/etc\/patela\/resolv\.conf$/m)
    assert.notMatch(content, /1234|other|MyFamily/)
    assert.deepStrictEqual("needs" in resource ? resource.needs : [], [
      "relay/toma/directories",
      "relay/toma/account",
      "node/resolver"
    ])
  })

  it("declares the family by its keys, which it needs, and by all fingerprints but the relay's own", () => {
    const [own, other] = ["A", "B"].map((digit) => RsaFingerprint.make(digit.repeat(40)))
    if (own === undefined || other === undefined) return assert.fail()
    const input = nodeInput([{
      ...relayAt(0, "toma"),
      fingerprint: { rsa: own, ed25519: Ed25519Fingerprint.make("a".repeat(43)) }
    }])
    const ids = FAMILIES.slice(0, 2).map(({ id }) => id)
    const torrcOf = (family: NonNullable<DesiredInput["config"]["family"]>) => {
      const [resource] = desiredTorrcs({ ...input, config: { ...input.config, family } })
      if (resource === undefined || "refused" in resource) return assert.fail("there is no torrc")
      const lines = resource.value.content.split("\n").filter((line) => /^(FamilyId|MyFamily)/.test(line))
      return { lines, needs: resource.needs.includes("relay/toma/family-keys") }
    }
    assert.deepStrictEqual(torrcOf({ ids, members: [own, other] }), {
      lines: [...ids.map((id) => `FamilyId ${id}`), `MyFamily $${other}`],
      needs: true
    })
    assert.deepStrictEqual(torrcOf({ ids: [], members: [own] }), { lines: [], needs: false })
  })

  it.prop("any text is refused or rendered, and never throws", [Schema.String], ([torrc]) => {
    const resource = onlyTorrc(torrc)
    if ("value" in resource) assert.isTrue(resource.value.content.startsWith(`${OWNED_HEADER}\n`))
    else assert.match(resource.refused, /line \d+/)
  })

  const Rates = Schema.Array(Schema.Literals([1, 2, 3, 4].map((rate) => `BandwidthRate ${rate} MB`)))

  it.prop(
    "the lines that go and the lines that come make the one text of the other",
    [Rates, Rates],
    ([before, after]) => {
      const text = (lines: ReadonlyArray<string>) => lines.map((line) => `${line}\n`).join("")
      const lines = lineDifferences(text(before), text(after))
      const rest = [...before]
      for (const line of lines) {
        if (line.startsWith("- ")) rest.splice(rest.indexOf(line.slice(2)), 1)
        else rest.push(line.slice(2))
      }
      assert.deepStrictEqual(rest.sort(), [...after].sort())
      assert.strictEqual(lines.length === 0, text(before) === text(after))
    }
  )

  it("shows the fewest lines", () => {
    const before = "ExitRelay 0\nBandwidthRate 1 MB\nNumCPUs 1\n"
    const after = "ExitRelay 0\nContactInfo me\nBandwidthRate 2 MB\nNumCPUs 1\n"
    assert.deepStrictEqual(lineDifferences(before, after), [
      "- BandwidthRate 1 MB",
      "+ ContactInfo me",
      "+ BandwidthRate 2 MB"
    ])
  })

  it.prop(
    "no difference shows a secret, in whatever line it stands",
    [Schema.Literals(["", " ", "\t", "+"])],
    ([before]) => {
      const lines = [
        "HashedControlPassword",
        "hashedcontrolpassword",
        "HashedControlP",
        "Socks5ProxyPassword",
        "Nonsense",
        "#",
        SECRET
      ]
      for (const line of lines) assert.notInclude(shownLine(`${before}${line} ${SECRET}`), SECRET)
      assert.notInclude(shownLine("HashedControlPassword\\"), SECRET)
    }
  )

  it("shows no control character of a file", () => {
    assert.strictEqual(shownLine("ContactInfo \u001b[2Jme"), "ContactInfo \\u{1b}[2Jme")
  })

  it("takes tor's own words out of its output", () => {
    const output =
      "Nov 24 04:00:00.000 [notice] Tor 0.4.9\nNov 24 04:00:00.001 [warn] Unknown option 'X'.  Failing.\n" +
      "Nov 24 04:00:00.002 [err] Reading config failed--see warnings above.\n"
    assert.strictEqual(complaintIn(output), "Unknown option 'X'.  Failing.; Reading config failed--see warnings above.")
  })
})
