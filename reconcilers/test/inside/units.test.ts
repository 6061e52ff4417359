import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { Effect, Fiber, Layer, Stream } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { HostCommand } from "../../src/host/HostCommand.ts"
import { ReplaceFile } from "../../src/host/ReplaceFile.ts"
import { SystemBus } from "../../src/host/SystemBus.ts"
import { BootstrapReader } from "../../src/units/BootstrapReader.ts"
import { InstanceReader } from "../../src/units/InstanceReader.ts"
import { RunningTor } from "../../src/units/RunningTor.ts"
import { SystemdReader } from "../../src/units/SystemdReader.ts"
import { SystemdWriter } from "../../src/units/SystemdWriter.ts"
import { UnitLedgerReader, UnitLedgerWriter } from "../../src/units/UnitLedger.ts"
import { Units } from "../../src/units/Units.ts"

if (!existsSync("/run/systemd/container")) {
  throw new Error("these tests change the system they run on: run them inside the throw-away container")
}

const V4 = Ipv4.make("192.0.2.1")

const host = Layer.mergeAll(
  InstanceReader.layer,
  BootstrapReader.layer,
  RunningTor.layer,
  UnitLedgerReader.layer,
  UnitLedgerWriter.layer.pipe(Layer.provide(ReplaceFile.layer)),
  HostCommand.layer.pipe(Layer.provide(NodeServices.layer)),
  Layer.mergeAll(SystemdReader.layer, SystemdWriter.layer).pipe(Layer.provide(SystemBus.layer))
)

const run = (program: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
const show = (name: string, property: string): string =>
  run("systemctl", "show", `tor@${name}`, "-p", property, "--value").trim()
const isActive = (name: string): boolean => show(name, "ActiveState") === "active"

const writeTorrc = (name: string, port: number, more = "", header = OWNED_HEADER): void =>
  writeFileSync(
    `/etc/tor/instances/${name}/torrc`,
    [
      header,
      "SocksPort 0",
      `Nickname ${name}`,
      "Address 127.0.0.1",
      `ORPort 127.0.0.1:${port}`,
      "AssumeReachable 1",
      "PublishServerDescriptor 0",
      "ShutdownWaitLength 1",
      "ContactInfo \"nobody\"",
      more,
      ""
    ].join("\n")
  )

const instance = (name: string, port: number, more?: string, header?: string): void => {
  mkdirSync(`/etc/tor/instances/${name}`, { recursive: true })
  run("tor-instance-create", name)
  writeTorrc(name, port, more, header)
}

const inputFor = (...names: ReadonlyArray<string>): DesiredInput => ({
  configIsNew: false,
  facts: { cpus: 2, memory: 2 ** 32, relayInterface: { found: true, name: "ens0" } },
  config: {
    geoip: false,
    test_network: false,
    generation: 1,
    removed: [],
    network: { gateway_v4: V4, gateway_v6: null, prefix_v4: 24, prefix_v6: null, dns: [], pools: [] },
    relays: names.map((name, index) => ({
      name: RelayName.make(name),
      slot: Slot.make(index),
      ip_v4: V4,
      ip_v6: null,
      or_port: 9001,
      dir_port: null,
      torrc: "",
      fingerprint: null
    }))
  }
})

const pass = Effect.fnUntraced(function*(...names: ReadonlyArray<string>) {
  const plan = yield* Units.plan(inputFor(...names))
  const outcomes = yield* plan.apply(() => true)
  return { changes: plan.changes, outcomes }
})

const forget = () => rmSync("/run/patela/units.json", { force: true })

/** As the host was before, for whatever test comes next. */
const cleanUp = (): void => {
  for (const name of ["quark", "ricotta", "broken", "alien"]) {
    run("systemctl", "stop", `tor@${name}`)
    rmSync(`/etc/tor/instances/${name}`, { recursive: true, force: true })
    rmSync(`/var/lib/tor-instances/${name}`, { recursive: true, force: true })
    run("userdel", `_tor-${name}`)
  }
  run("systemctl", "reset-failed")
  run("systemctl", "daemon-reload")
  forget()
}

describe("units on systemd", () => {
  it.live("runs a relay's unit from nothing to removal", () =>
    Effect.gen(function*() {
      run("ip", "link", "set", "lo", "up")
      forget()
      instance("quark", 9101)
      instance("ricotta", 9102)
      instance("broken", 9103, "Bogus 1")
      instance("alien", 9104, "", "# somebody else's")
      run("systemctl", "start", "tor@alien")
      const alien = show("alien", "MainPID")

      // One unit that cannot start is reported alone.
      const first = yield* pass("quark", "broken", "ricotta")
      assert.deepEqual(first.changes.map(({ action }) => action), ["create", "create", "create"])
      assert.deepEqual(first.outcomes.get("relay/quark/unit"), { done: true })
      assert.deepEqual(first.outcomes.get("relay/ricotta/unit"), { done: true })
      const broken = first.outcomes.get("relay/broken/unit")
      assert.isTrue(broken?.done === false && broken.message.includes("\"failed\""), JSON.stringify(broken))
      assert.isTrue(broken?.done === false && broken.message.includes("journalctl -u tor@broken"))
      assert.isTrue(isActive("quark") && isActive("ricotta"))
      assert.strictEqual(statSync("/run/patela/units.json").mode & 0o777, 0o600)

      // Nothing to do means nothing done.
      const ledger = statSync("/run/patela/units.json").ino
      const idle = yield* Units.plan(inputFor("quark", "broken", "ricotta"))
      assert.deepEqual(idle.changes.map(({ address }) => address), ["relay/broken/unit"])
      yield* idle.apply(({ address }) => address !== "relay/broken/unit")
      assert.strictEqual(statSync("/run/patela/units.json").ino, ledger)

      // A unit that was stopped comes back; one that was repaired starts out of its failed state.
      run("systemctl", "stop", "tor@quark")
      writeTorrc("broken", 9103)
      const repaired = yield* pass("quark", "broken", "ricotta")
      assert.deepEqual([...repaired.outcomes.values()], [{ done: true }, { done: true }])
      assert.isTrue(isActive("quark") && isActive("broken"))

      // What tor can change while it runs is reloaded: the process stays.
      const before = show("quark", "MainPID")
      writeTorrc("quark", 9101, "RelayBandwidthRate 1 MB")
      const reloaded = yield* pass("quark", "broken", "ricotta")
      assert.deepEqual(reloaded.changes.map(({ lines, reason }) => [reason, lines]), [
        ["dependency changed", ["its torrc changed: reload"]]
      ])
      assert.deepEqual(reloaded.outcomes.get("relay/quark/unit"), { done: true })
      assert.strictEqual(show("quark", "MainPID"), before)
      assert.deepEqual((yield* pass("quark", "broken", "ricotta")).changes, [])

      // A torrc that tor would refuse never reaches the running relay.
      writeTorrc("quark", 9101, "Bogus 1")
      const refused = yield* pass("quark", "broken", "ricotta")
      assert.isFalse(refused.outcomes.get("relay/quark/unit")?.done)
      assert.strictEqual(show("quark", "MainPID"), before)

      // Another name restarts it.
      writeTorrc("quark", 9101, "Nickname quark2")
      const restarted = yield* pass("quark", "broken", "ricotta")
      assert.deepEqual(restarted.outcomes.get("relay/quark/unit"), { done: true }, JSON.stringify(restarted))
      assert.notStrictEqual(show("quark", "MainPID"), before)

      // With no ledger (the agent was killed before it wrote one) running units are taken over as they are.
      const pids = ["quark", "broken", "ricotta"].map((name) => show(name, "MainPID"))
      forget()
      const adopted = yield* pass("quark", "broken", "ricotta")
      assert.strictEqual(adopted.changes.length, 3)
      assert.deepEqual(["quark", "broken", "ricotta"].map((name) => show(name, "MainPID")), pids)
      assert.deepEqual((yield* pass("quark", "broken", "ricotta")).changes, [])

      // Somebody who stops a unit is heard at once.
      const heard = yield* Units.watch.pipe(Stream.take(1), Stream.runCollect, Effect.forkChild)
      yield* Effect.sleep("300 millis")
      run("systemctl", "stop", "tor@ricotta")
      assert.deepEqual(yield* Fiber.join(heard).pipe(Effect.timeout("10 seconds")), ["look again"])

      // Removed relays are stopped; what is not Patela's is left alone, `tor@default` too.
      const removed = yield* pass("ricotta")
      const stops = removed.changes.filter(({ action }) => action === "remove").map(({ address }) => address).sort()
      assert.deepEqual(stops, ["relay/broken/unit", "relay/quark/unit"])
      assert.isFalse(isActive("quark") || isActive("broken"))
      assert.isTrue(isActive("ricotta"))
      assert.strictEqual(show("alien", "MainPID"), alien)
      assert.deepEqual((yield* pass("ricotta")).changes, [])
      assert.isFalse(readFileSync("/run/patela/units.json", "utf8").includes("quark"))
    }).pipe(Effect.provide(host), Effect.ensuring(Effect.sync(cleanUp))), 170_000)
})
