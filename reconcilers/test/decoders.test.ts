import { assert, describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { parseTorrc } from "@patela/domain/torrc/parse"
import { Effect, Layer, Result, Schema } from "effect"
import { parseGroups, parseUsers } from "../src/accounts/AccountTables.ts"
import { readLinks } from "../src/addresses/AddressReader.ts"
import { SystemBus } from "../src/host/SystemBus.ts"
import { parseLedger } from "../src/ledger/LedgerFile.ts"
import { readEntries } from "../src/routing/RouteReader.ts"
import { readTable } from "../src/source-nat/ObservedTable.ts"
import { skeletonOf } from "../src/source-nat/Skeleton.ts"
import { loadedFrom } from "../src/units/LoadedTorrc.ts"
import { signalOf, SystemdReader } from "../src/units/SystemdReader.ts"
import { damaged } from "./DamagedText.ts"

/** So many damaged texts go into each decoder. */
const CASES = 10_000

/** What was read of a damaged text: a value, or an error with a message. Anything else ends the test as a defect. */
type Read = Effect.Effect<unknown, { readonly message: string }>

/**
 * Whatever is damaged gives a value, or an error that says where: the field, the line, or that it is no JSON at all. Both
 * come about often enough for the damage to be real.
 */
const survives = (written: string, read: (text: string) => Read, says: RegExp, refusedAtLeast: number) =>
  Effect.gen(function*() {
    assert.isTrue(Result.isSuccess(yield* Effect.result(read(written))), "what was not damaged is read")
    let refused = 0
    for (let seed = 1; seed <= CASES; seed++) {
      const result = yield* Effect.result(read(damaged(written, seed)))
      if (Result.isSuccess(result)) continue
      refused += 1
      assert.match(result.failure.message, says, `seed ${seed}`)
    }
    assert.isAtLeast(refused, refusedAtLeast)
    assert.isBelow(refused, CASES)
  })

const OF_JSON = /at \[|JSON|Expected|Missing|documents/

const NFT = JSON.stringify({
  nftables: [
    { metainfo: { version: "1.0.6", release_name: "Lester Gooch #5", json_schema_version: 1 } },
    ...skeletonOf("ens4").map((object, index) =>
      Object.fromEntries(
        Object.entries(object).map(([kind, body]) => [kind, {
          handle: index,
          ...Schema.decodeUnknownSync(Schema.Record(Schema.String, Schema.Json))(body),
          ...(kind === "map" ? { elem: [[50_000, 0x0802_0001], [50_001, 0x0802_0002]] } : {})
        }])
      )
    )
  ]
})

const IP_ADDRESS = JSON.stringify([
  {
    ifindex: 1,
    ifname: "lo",
    flags: ["LOOPBACK", "UP", "LOWER_UP"],
    mtu: 65_536,
    operstate: "UNKNOWN",
    link_type: "loopback",
    addr_info: [{
      family: "inet",
      local: "127.0.0.1",
      prefixlen: 8,
      scope: "host",
      label: "lo",
      valid_life_time: 4_294_967_295
    }]
  },
  {
    ifindex: 3,
    link_index: 2,
    ifname: "ens4",
    flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    addr_info: [
      { family: "inet", local: "198.51.100.10", prefixlen: 24, scope: "global", noprefixroute: true, label: "ens4" },
      { family: "inet6", local: "2001:db8:8020::10", prefixlen: 64, scope: "global", nodad: true, dadfailed: true },
      { family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link" }
    ]
  }
])

const IP_ROUTES = [
  JSON.stringify([
    { priority: 0, src: "all", table: "255" },
    {
      priority: 8020,
      src: "192.0.2.0",
      srclen: 24,
      iif: "lo",
      table: "8020",
      uid_start: 50_000,
      uid_end: 50_511,
      fwmark: "0x8020000",
      fwmask: "0xffff0000",
      not: null
    }
  ]),
  JSON.stringify([
    { dst: "default", gateway: "198.51.100.1", dev: "ens4", flags: ["onlink"], metric: 0 },
    { type: "7", dst: "default", metric: 4_294_967_295, flags: [] }
  ])
].join("\n")

const UNITS = JSON.stringify([[
  [
    "tor@toma.service",
    "Anonymizing overlay network for TCP (instance toma)",
    "loaded",
    "active",
    "running",
    "",
    "/org/freedesktop/systemd1/unit/tor_40toma_2eservice",
    0,
    "",
    "/"
  ],
  ["tor@bra.service", "Anonymizing", "loaded", "failed", "failed", "", "/x/tor_40bra", 17, "start", "/x/job/17"]
]])

const PASSWD = "root:x:0:0:root:/root:/bin/bash\n# comment\n_tor-toma:x:50000:50000:Tor relay toma:" +
  "/var/lib/tor-instances/toma:/bin/false\n+::::::\n"
const GROUP = "root:x:0:\n_tor-toma:x:50000:\nadm:x:4:syslog,root\n"

const LEDGER = "{\"version\":1,\"accounts\":[\"toma\",\"robiola\"],\"instances\":[\"toma\"]}\n"

const TORRC =
  `${OWNED_HEADER}\nNickname toma\nContactInfo "a \\"quoted\\" nobody" # comment\nORPort 198.51.100.10:9001\n` +
  "ExitPolicy accept *:80\nExitPolicy reject *:*\n+MyFamily $ABCD\n/NodeFamily\nLog notice \\\n  syslog\n"

const parsed = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))

/** The bus answers with what the text says: dbus-next hands values over, not text. */
const listOf = (text: string): Read =>
  Effect.gen(function*() {
    const body = yield* parsed(text)
    const bus = Layer.succeed(SystemBus, { call: () => Effect.succeed(body), events: Effect.die("not asked") })
    const reader = yield* SystemdReader.pipe(Effect.provide(SystemdReader.layer.pipe(Layer.provide(bus))))
    const units = yield* reader.list
    yield* reader.startedAt({ unit: "tor@toma.service", active: "", sub: "", path: "/" }).pipe(Effect.ignore)
    for (const member of ["JobRemoved", "UnitNew", "PropertiesChanged"]) {
      signalOf({ event: "signal", path: "/", member, body })
    }
    return units
  })

const torrcOf = (text: string): Read =>
  Effect.suspend(() => {
    // What is on disk is digested whatever it is: nothing of it may throw.
    loadedFrom(text)
    return Effect.fromResult(parseTorrc(text))
  })

describe("ten thousand damaged texts do no harm", () => {
  it.effect("of nft", () => survives(NFT, readTable, OF_JSON, 2000))

  it.effect("of ip address", () => survives(IP_ADDRESS, readLinks, OF_JSON, 2000))

  it.effect("of ip route and ip rule", () => survives(IP_ROUTES, (text) => readEntries("v4", text), OF_JSON, 2000))

  it.effect("of systemd's list of units", () => survives(UNITS, listOf, /at \[|JSON|Expected|Missing/, 2000))

  it.effect("of passwd", () =>
    survives(PASSWD, (text) => parseUsers("/etc/passwd", text), /\/etc\/passwd, line \d+/, 500))

  it.effect("of group", () => survives(GROUP, (text) => parseGroups("/etc/group", text), /\/etc\/group, line \d+/, 500))

  it.effect("of torrc files", () => survives(TORRC, torrcOf, /^(?:line|torrc|\d)|line \d+/, 500))

  it.effect("of the ledger", () =>
    survives(LEDGER, (text) => parseLedger("/run/patela/owned.json", text), /owned\.json: it is damaged: /, 2000))

  it("of names, which become paths", () => {
    const decode = Schema.decodeUnknownResult(RelayName)
    for (let seed = 1; seed <= CASES; seed++) {
      const name = damaged("robiola", seed)
      const result = decode(name)
      if (Result.isSuccess(result)) assert.match(result.success, /^[A-Za-z0-9]+$/)
    }
  })
})
