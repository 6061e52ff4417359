import { assert, describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { ALLOWED_OPTIONS } from "../../src/torrc/allowed.ts"
import { checkLayer, checkLayerText } from "../../src/torrc/checkLayer.ts"
import { MANAGED_OPTIONS } from "../../src/torrc/managed.ts"
import { OPTION_TABLE, optionNamed } from "../../src/torrc/OptionTable.ts"
import { REFUSED_OPTIONS, TEST_NETWORK_OPTIONS } from "../../src/torrc/refused.ts"
import { settingOf } from "../../src/torrc/Torrc.ts"
import { VALUE_RULES } from "../../src/torrc/ValueRules.ts"
import { listsOf } from "../../src/torrc/verdictOn.ts"
import { anyTorrc } from "./ArbitraryTorrc.ts"

const check = (text: string, testNetwork = false) => Result.getOrThrow(checkLayerText(text, { testNetwork }))

const outcome = (text: string, testNetwork = false): "accepted" | "managed" | "refused" => {
  const { accepted, refusals, warnings } = check(text, testNetwork)
  if (refusals.length > 0) return "refused"
  return accepted.length > 0 ? "accepted" : warnings.length > 0 ? "managed" : "accepted"
}

describe("the lists", () => {
  it("judge every option of tor exactly once, and no option that tor has not", () => {
    for (const { name } of OPTION_TABLE) assert.lengthOf(listsOf(name), 1, name)
    for (const list of [ALLOWED_OPTIONS, MANAGED_OPTIONS, REFUSED_OPTIONS, TEST_NETWORK_OPTIONS, VALUE_RULES]) {
      for (const name of list.keys()) assert.isDefined(optionNamed(name), name)
    }
  })

  it("let no option pass freely that names a file, or whose name says port, proxy, control or plugin", () => {
    for (const { name, kind } of OPTION_TABLE) {
      if (kind !== "Filename" && !/^__|Port$|Proxy|Control|Plugin|Cookie|Socket$|GroupReadable/.test(name)) continue
      for (const testNetwork of [false, true]) {
        assert.deepEqual(checkLayer([settingOf(name, "9999", 1)], { testNetwork }).accepted, [], name)
      }
    }
  })

  it("refuse what no list names", () => {
    expect(checkLayer([settingOf("OptionOfALaterTor", "1", 7)], { testNetwork: true })).toEqual({
      accepted: [],
      warnings: [],
      refusals: [{ line: 7, column: 1, message: "OptionOfALaterTor is refused: it is no option that Patela knows" }]
    })
  })
})

describe("checkLayer", () => {
  it.prop("every line is accepted, left out with a warning, or refused", [anyTorrc], ([torrc]) => {
    const { accepted, warnings, refusals } = checkLayer(torrc, { testNetwork: false })
    const seen = [...accepted, ...warnings, ...refusals].map(({ line }) => line).sort((a, b) => a - b)
    expect(seen).toEqual(torrc.map(({ line }) => line))
  })

  it.prop("a test network only ever admits more", [anyTorrc], ([torrc]) => {
    const lines = (testNetwork: boolean) => checkLayer(torrc, { testNetwork }).accepted
    expect(lines(true)).toEqual(expect.arrayContaining([...lines(false)]))
  })

  it("accepts an ordinary relay's torrc", () => {
    const text = `
ContactInfo "ops AT example DOT org # 24/7"
ExitRelay 1
ExitPolicy accept *:443
ExitPolicy reject *:*
RelayBandwidthRate 20 MBytes
MaxMemInQueues 1 GB
Log notice syslog
Log [~net]notice-err stderr
SafeLogging relay
`
    expect(check(text)).toMatchObject({ warnings: [], refusals: [] })
    expect(check(text).accepted).toHaveLength(9)
  })

  it("leaves managed lines out, with their line and a warning", () => {
    expect(check("Nickname mine\nORPort 9001\nSocksPort 0\nNumCPUs 2")).toEqual({
      accepted: [settingOf("NumCPUs", "2", 4)],
      refusals: [],
      warnings: [
        { line: 1, column: 1, message: "Nickname is left out: Patela manages it; the nickname is the relay's name" },
        {
          line: 2,
          column: 1,
          message: "ORPort is left out: Patela manages it; addresses and ports are allocated by the server"
        },
        { line: 3, column: 1, message: "SocksPort is left out: Patela manages it; Patela writes this line itself" }
      ]
    })
  })

  it.each([
    "ServerTransportPlugin obfs4 exec /tmp/x",
    "ClientTransportPlugin x exec /bin/sh",
    "AccelDir /tmp",
    "User root",
    "DataDirectory /",
    "KeyDirectory /root",
    "PidFile /etc/cron.d/x",
    "ControlPort 9051",
    "ControlSocket /tmp/c",
    "+ControlPort auto",
    "__ControlPort 1",
    "__OwningControllerProcess 1",
    "DirPortFrontPage /etc/shadow",
    "SocksPort 9050",
    "SocksPort 0.0.0.0:9050",
    "SocksPort unix:/tmp/s",
    "TransPort 9040",
    "HiddenServiceDir /tmp/hs",
    "HiddenServicePort 80",
    "Log notice file /etc/cron.d/x",
    "Log notice-err FILE /x",
    "Log [general]notice file syslog",
    "Log file stdout",
    "+Log notice /tmp/x",
    "Log debug syslog",
    "Log [net]debug-err syslog",
    "SafeLogging 0",
    "SafeLogging",
    "/SafeLogging",
    "SafeLogging false",
    "Safelog 0",
    "DisableDebuggerAttachment 0",
    "/DisableDebuggerAttachment",
    "ExitPolicyRejectPrivate 0",
    "/ExitPolicyRejectPrivate",
    "DirAuthority x 192.0.2.1:80 AAAA",
    "dirserver x 192.0.2.1:80 AAAA",
    "TestingTorNetwork 1",
    "HTTPSProxy 192.0.2.1:80",
    "V3BandwidthsFile /etc/shadow",
    "ControlP 9051"
  ])("refuses %s", (text) => {
    expect(outcome(text)).toBe("refused")
  })

  it.each([
    "DirAuthority a orport=5000 192.0.2.1:7000 AAAA",
    "TestingTorNetwork 1",
    "V3AuthVoteDelay 4",
    "AuthoritativeDirectory 1",
    "TestingDirAuthVoteExit *",
    "ExtendAllowPrivateAddresses 1",
    "AuthDirMaxServersPerAddr 8",
    "ExitPolicyRejectPrivate 0"
  ])(
    "takes %s in a test network only",
    (text) => {
      expect(outcome(text, true)).toBe("accepted")
      expect(outcome(text, false)).toBe("refused")
    }
  )

  it("judges a value that never went through the parser", () => {
    const { refusals } = checkLayer([settingOf("ContactInfo", "a\nControlPort 9051", 1)], { testNetwork: false })
    expect(refusals).toEqual([{
      line: 1,
      column: 1,
      message: "ContactInfo is refused: its value holds a control character U+000a"
    }])
  })
})
