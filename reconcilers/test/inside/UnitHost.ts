import * as NodeServices from "@effect/platform-node/NodeServices"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { Effect, Layer } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { DaemonReload } from "../../src/drop-ins/DaemonReload.ts"
import { DropInLedgerReader, DropInLedgerWriter } from "../../src/drop-ins/DropInLedger.ts"
import { DropInReader } from "../../src/drop-ins/DropInReader.ts"
import { DropIns } from "../../src/drop-ins/DropIns.ts"
import { DropInWriter } from "../../src/drop-ins/DropInWriter.ts"
import { MemoryLimits } from "../../src/drop-ins/MemoryLimits.ts"
import { FileMonitor } from "../../src/host/FileMonitor.ts"
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
import { nodeInput, relayAt } from "../NodeInput.ts"

if (!existsSync("/run/systemd/container")) {
  throw new Error("these tests change the system they run on: run them inside the throw-away container")
}

/** Drop-ins and units on the node's own systemd. */
export const host = Layer.mergeAll(
  DropInLedgerReader.layer,
  DropInReader.layer,
  FileMonitor.layer,
  InstanceReader.layer,
  BootstrapReader.layer,
  RunningTor.layer,
  UnitLedgerReader.layer,
  Layer.mergeAll(DropInLedgerWriter.layer, DropInWriter.layer, UnitLedgerWriter.layer).pipe(
    Layer.provide(ReplaceFile.layer)
  ),
  HostCommand.layer.pipe(Layer.provide(NodeServices.layer)),
  Layer.mergeAll(DaemonReload.layer, SystemdReader.layer, SystemdWriter.layer).pipe(Layer.provide(SystemBus.layer))
)

export const run = (program: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })

export const show = (name: string, property: string): string =>
  run("systemctl", "show", `tor@${name}`, "-p", property, "--value").trim()

/** A number of a process' status, such as `Seccomp` (proc(5)). */
export const statusOf = (pid: string, field: string): string =>
  new RegExp(`^${field}:\\s*(.+)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? ""

/** Relays that run alone on a node with no network: on loopback, at a port of their own. */
export const writeTorrc = (name: string, port: number, ...more: ReadonlyArray<string>): void =>
  writeFileSync(
    `/etc/tor/instances/${name}/torrc`,
    [
      OWNED_HEADER,
      "SocksPort 0",
      `Nickname ${name}`,
      "Address 127.0.0.1",
      `ORPort 127.0.0.1:${port}`,
      `MetricsPort 127.0.0.1:${port + 1000}`,
      "MetricsPortPolicy accept 127.0.0.1",
      "AssumeReachable 1",
      "PublishServerDescriptor 0",
      "GeoIPFile /dev/null",
      "GeoIPv6File /dev/null",
      "ContactInfo \"nobody\"",
      ...(more.some((line) => line.startsWith("ShutdownWaitLength")) ? [] : ["ShutdownWaitLength 1"]),
      ...more,
      ""
    ].join("\n")
  )

export const makeInstance = (name: string, port: number, ...more: ReadonlyArray<string>): void => {
  mkdirSync(`/etc/tor/instances/${name}`, { recursive: true })
  run("tor-instance-create", name)
  writeTorrc(name, port, ...more)
}

/** A configuration of these relays, on this node's processors. */
export const inputFor = (...names: ReadonlyArray<string>): DesiredInput => {
  const relays = names.map((name, slot) => ({ ...relayAt(slot, name), ip_v4: Ipv4.make("192.0.2.1"), ip_v6: null }))
  const input = nodeInput(relays)
  return { ...input, configIsNew: false, facts: { ...input.facts, cpus: 2 } }
}

/** Removals of units, then of drop-ins; drop-ins, then units, then limits that are lower: as the engine does. */
export const converge = Effect.fnUntraced(function*(input: DesiredInput) {
  const isRemoval = ({ action }: { readonly action: string }) => action === "remove"
  const stopped = yield* (yield* Units.plan(input)).apply(isRemoval)
  const removed = yield* (yield* DropIns.plan(input)).apply(isRemoval)
  const dropIns = yield* DropIns.plan(input)
  const placed = yield* dropIns.apply((change) => !isRemoval(change))
  const units = yield* Units.plan(input)
  const started = yield* units.apply((change) => !isRemoval(change))
  const limits = yield* MemoryLimits.plan(input)
  const lowered = yield* limits.apply(() => true)
  return {
    changes: [...dropIns.changes, ...units.changes, ...limits.changes],
    outcomes: new Map([...stopped, ...removed, ...placed, ...started, ...lowered])
  }
})

/** What differs, one line a change. */
export const differing = (input: DesiredInput) =>
  Effect.gen(function*() {
    const plans = [yield* DropIns.plan(input), yield* Units.plan(input), yield* MemoryLimits.plan(input)]
    return plans.flatMap(({ changes }) =>
      changes.map(({ action, address, lines }) => `${action} ${address}: ${lines.join("; ")}`)
    )
  })

/** Runs a test with these instances, and takes all of it away however it ends. */
export const withInstances = <A, E>(
  names: ReadonlyArray<string>,
  test: Effect.Effect<A, E, Layer.Success<typeof host>>
) => test.pipe(Effect.provide(host), Effect.ensuring(Effect.sync(() => tearDown(names))))

const tearDown = (names: ReadonlyArray<string>): void => {
  for (const name of names) {
    run(
      "sh",
      "-c",
      `systemctl kill --signal=KILL tor@${name}; systemctl stop tor@${name}; systemctl reset-failed tor@${name}; true`
    )
    for (
      const path of [
        `/etc/tor/instances/${name}`,
        `/var/lib/tor-instances/${name}`,
        `/run/systemd/system/tor@${name}.service.d`
      ]
    ) rmSync(path, { recursive: true, force: true })
    run("sh", "-c", `userdel _tor-${name} || true`)
  }
  for (const file of ["units", "drop-ins"]) rmSync(`/run/patela/${file}.json`, { force: true })
  run("systemctl", "daemon-reload")
}
