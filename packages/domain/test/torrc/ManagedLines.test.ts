import { assert, describe, expect, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Ipv4 } from "../../src/net/Ipv4.ts"
import { Ipv6 } from "../../src/net/Ipv6.ts"
import { RelayName } from "../../src/relay/RelayName.ts"
import { Slot } from "../../src/relay/Slot.ts"
import type { ManagedRelay } from "../../src/torrc/ManagedLines.ts"
import { managedLines, OWNED_HEADER, queueMebibytes, renderRelayTorrc } from "../../src/torrc/ManagedLines.ts"
import { optionNamed } from "../../src/torrc/OptionTable.ts"
import { parseTorrc } from "../../src/torrc/parse.ts"
import { renderTorrc } from "../../src/torrc/render.ts"
import { changedOptions, changeImpact, RESTART_OPTIONS } from "../../src/torrc/RestartOptions.ts"
import type { Torrc } from "../../src/torrc/Torrc.ts"
import { anyLayer } from "./ArbitraryTorrc.ts"

const relay: ManagedRelay = {
  name: RelayName.make("toma"),
  ipv4: Ipv4.make("192.0.2.7"),
  ipv6: Schema.decodeSync(Ipv6)("2001:DB8::7"),
  orPort: 9001,
  dirPort: 9030,
  slot: Slot.make(3),
  relayCount: 4,
  memoryBytes: 8 * 1024 ** 3,
  resolvConf: "/etc/patela/resolv.conf",
  geoip: false
}

const read = (text: string): Torrc => Result.getOrThrow(parseTorrc(text)).lines

describe("managedLines", () => {
  it("writes what the server allocated", () => {
    expect(renderTorrc(managedLines(relay))).toBe(`Nickname toma
Address 192.0.2.7
Address [2001:db8::7]
ORPort 192.0.2.7:9001
ORPort [2001:db8::7]:9001
DirPort 192.0.2.7:9030
OutboundBindAddress 192.0.2.7
OutboundBindAddress [2001:db8::7]
SocksPort 0
MetricsPort 127.0.0.1:10003
MetricsPortPolicy accept 127.0.0.1
MaxMemInQueues 1024 MB
GeoIPFile /dev/null
GeoIPv6File /dev/null
ServerDNSResolvConfFile /etc/patela/resolv.conf
`)
  })

  it("leaves out what the relay has not", () => {
    const bare = managedLines({ ...relay, nickname: "Toma7", ipv6: null, dirPort: null, resolvConf: null, geoip: true })
    expect(renderTorrc(bare)).toBe(`Nickname Toma7
Address 192.0.2.7
ORPort 192.0.2.7:9001
OutboundBindAddress 192.0.2.7
SocksPort 0
MetricsPort 127.0.0.1:10003
MetricsPortPolicy accept 127.0.0.1
MaxMemInQueues 1024 MB
`)
  })

  it("sizes the queues to the node, within tor's own bounds", () => {
    expect(queueMebibytes(1024 ** 3, 1)).toBe(512)
    expect(queueMebibytes(1024 ** 3, 16)).toBe(256)
    expect(queueMebibytes(0, 0)).toBe(256)
    expect(queueMebibytes(1024 ** 4, 2)).toBe(8192)
  })
})

describe("renderRelayTorrc", () => {
  const managed = managedLines(relay)

  it("begins with the header that decides whose the file is", () => {
    expect(renderRelayTorrc({ resolved: [], managed })).toBe(`${OWNED_HEADER}\n${renderTorrc(managed)}`)
    expect(OWNED_HEADER).toBe("# Managed by patela: changes are overwritten")
  })

  it("lets a layer set MaxMemInQueues, and no other managed option", () => {
    const text = renderRelayTorrc({
      resolved: read("MaxMemInQueues 2 GB\nORPort 6666\nNickname evil\nSocksPort 9050\nMyFamily AA\nNumCPUs 2"),
      managed
    })
    expect(text).toContain("MaxMemInQueues 2 GB\n")
    expect(text).not.toContain("1024 MB")
    expect(text).not.toMatch(/6666|evil|9050/)
    expect(text.endsWith("MyFamily AA\nNumCPUs 2\n")).toBe(true)
  })

  it.prop("holds the managed lines whatever the layers say", [anyLayer], ([resolved]) => {
    const lines = read(renderRelayTorrc({ resolved, managed })).map(({ option, value }) => `${option} ${value}`)
    for (const { option, value } of managed) expect(lines).toContain(`${option} ${value}`)
  })
})

describe("changeImpact", () => {
  it("knows options of tor only", () => {
    for (const option of RESTART_OPTIONS) assert.isDefined(optionNamed(option), option)
  })

  it.prop("no change is none, one more option is a reload", [anyLayer], ([torrc]) => {
    expect(changeImpact(torrc, torrc)).toBe("none")
    expect(changeImpact(torrc, [...torrc, ...read("HeartbeatPeriod 9 hours")])).toBe("reload")
  })

  it("tells reload from restart", () => {
    expect(changeImpact(read("NumCPUs 1\nExitRelay 0"), read("ExitRelay 0\nNumCPUs 1"))).toBe("none")
    expect(
      changeImpact(
        read("ExitPolicy reject *:1\nExitPolicy reject *:2"),
        read("ExitPolicy reject *:2\nExitPolicy reject *:1")
      )
    )
      .toBe("reload")
    expect(changeImpact([], read("ContactInfo a"))).toBe("reload")
    expect(changeImpact(read("ContactInfo a\nHardwareAccel 1"), read("ContactInfo b"))).toBe("restart")
    expect(changeImpact(read("Sandbox 1\nContactInfo a"), read("Sandbox 1\nContactInfo b"))).toBe("restart")
    expect(changedOptions(read("NumCPUs 1\nContactInfo a"), read("ContactInfo a\nExitRelay 0"))).toEqual([
      "ExitRelay",
      "NumCPUs"
    ])
  })
})
