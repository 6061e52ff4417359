import { assert, describe, it } from "@effect/vitest"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { Effect } from "effect"
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { loadedFrom } from "../../src/units/LoadedTorrc.ts"
import { Units } from "../../src/units/Units.ts"
import { type Broken, kindLaws, type World } from "../KindLaws.ts"
import { nodeInput, relayAt } from "../NodeInput.ts"
import { lookOf, mortalHost, type Services } from "./MortalHost.ts"
import { run } from "./RelayHost.ts"

const NAMES = ["quark", "ricotta", "gone", "alien"]
const SECRET = "16:C0FFEEC0FFEE"
const NONE: ReadonlySet<string> = new Set()
const torrcOf = (name: string) => `/etc/tor/instances/${name}/torrc`
const dropInOf = (name: string) => `/run/systemd/system/tor@${name}.service.d`
const unitOf = (name: string) => `tor@${name}.service`
const propertyOf = (name: string, property: string): string =>
  run("systemctl", "show", unitOf(name), "-p", property, "--value").trim()

const textOf = (name: string, more = ""): string =>
  [
    name === "alien" ? "# somebody else's" : OWNED_HEADER,
    `# ${SECRET}`,
    "SocksPort 0",
    `Nickname ${name}`,
    "Address 127.0.0.1",
    `ORPort 127.0.0.1:${9201 + NAMES.indexOf(name)}`,
    "AssumeReachable 1",
    "PublishServerDescriptor 0",
    // Half of the time that a start takes.
    "GeoIPFile /dev/null",
    "GeoIPv6File /dev/null",
    "ContactInfo \"nobody\"",
    more,
    ""
  ].join("\n")

/** Relays end at once, where a SIGINT takes them a second at least. */
const HURRY = "/run/systemd/system/tor@.service.d/hurry.conf"

/** What holds a unit goes, and then the unit. */
const stop = (names: ReadonlyArray<string>): void => {
  const held = names.map(dropInOf).filter((path) => existsSync(path))
  for (const path of held) rmSync(path, { recursive: true })
  if (held.length > 0) run("systemctl", "daemon-reload")
  run("systemctl", "stop", ...names.map(unitOf))
  // Also for systemd's count of starts in a short time.
  run("systemctl", "reset-failed")
}

const OURS = ["quark", "ricotta", "gone"]

/** Every unit is down but alien's; those of `running` run with the torrc that they have, and the ledger says so. */
const prepare = (...running: ReadonlyArray<string>): void => {
  stop(OURS)
  for (const name of OURS) writeFileSync(torrcOf(name), textOf(name))
  rmSync("/run/patela", { recursive: true, force: true })
  run("systemctl", "start", ...running.map(unitOf))
  mkdirSync("/run/patela", { mode: 0o700 })
  const units = running.map((name) => [name, loadedFrom(textOf(name))])
  writeFileSync("/run/patela/units.json", JSON.stringify({ version: 1, units }), { mode: 0o600 })
}

const worldOf = (before: (isBroken: (name: string) => boolean) => void) => (broken: Broken): World<Services> => {
  before((name) => broken.has(RelayName.make(name)))
  return {
    ...mortalHost(broken),
    foreign: () => [
      propertyOf("alien", "MainPID"),
      propertyOf("alien", "InactiveExitTimestamp"),
      lookOf(torrcOf("alien")),
      run("systemctl", "show", "tor.service", "tor@default.service", "-p", "ActiveState", "--value")
    ],
    secrets: [SECRET]
  }
}

/** No longer startable: what tor has in its torrc is one option too many. */
const spoil = (name: string) => appendFileSync(torrcOf(name), "Bogus 1\n")

/** No longer stoppable by hand (systemd.unit(5), RefuseManualStop). */
const hold = (name: string) => {
  mkdirSync(dropInOf(name), { recursive: true })
  writeFileSync(`${dropInOf(name)}/hold.conf`, "[Unit]\nRefuseManualStop=yes\n")
  run("systemctl", "daemon-reload")
}

describe("the laws of units on systemd", () => {
  const kind: Kind<Services, Services> = Units

  beforeAll(() => {
    run("ip", "link", "set", "lo", "up")
    mkdirSync(dirname(HURRY), { recursive: true })
    writeFileSync(HURRY, "[Service]\nKillSignal=SIGTERM\n")
    run("systemctl", "daemon-reload")
    for (const name of NAMES) {
      mkdirSync(`/etc/tor/instances/${name}`, { recursive: true })
      run("tor-instance-create", name)
      writeFileSync(torrcOf(name), textOf(name))
    }
    run("systemctl", "start", unitOf("alien"))
  })
  afterAll(() => {
    stop(NAMES)
    rmSync("/run/patela", { recursive: true, force: true })
    for (const name of NAMES) {
      rmSync(`/etc/tor/instances/${name}`, { recursive: true })
      rmSync(`/var/lib/tor-instances/${name}`, { recursive: true })
      run("userdel", `_tor-${name}`)
    }
    rmSync(dirname(HURRY), { recursive: true })
    run("systemctl", "daemon-reload")
  })

  it.live("one starts, and one that went stops", () =>
    Effect.gen(function*() {
      const world = worldOf((isBroken) => {
        prepare("gone")
        if (isBroken("quark")) spoil("quark")
        if (isBroken("gone")) hold("gone")
      })
      const failed = yield* kindLaws(kind, nodeInput([relayAt(0, "quark")]), world, () => {
        assert.deepStrictEqual(["quark", "gone"].map((name) => propertyOf(name, "ActiveState")), ["active", "inactive"])
      })
      assert.deepStrictEqual(failed, NONE)
    }))

  it.live("one is reloaded, and one restarts", () =>
    Effect.gen(function*() {
      const pids = new Map<string, string>()
      const world = worldOf((isBroken) => {
        prepare("quark", "ricotta")
        for (const name of ["quark", "ricotta"]) pids.set(name, propertyOf(name, "MainPID"))
        writeFileSync(torrcOf("quark"), textOf("quark", "RelayBandwidthRate 1 MB"))
        writeFileSync(torrcOf("ricotta"), textOf("ricotta", "DisableAllSwap 0"))
        for (const name of ["quark", "ricotta"]) if (isBroken(name)) spoil(name)
      })
      const input = nodeInput([relayAt(0, "quark"), relayAt(1, "ricotta")])
      const failed = yield* kindLaws(kind, input, world, () => {
        const isSame = ["quark", "ricotta"].map((name) => propertyOf(name, "MainPID") === pids.get(name))
        assert.deepStrictEqual(isSame, [true, false])
      })
      assert.deepStrictEqual(failed, NONE)
    }))
})
