import { NodeServices } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import type { Outcome } from "@patela/domain/reconciler/Outcome"
import { uidOf } from "@patela/domain/relay/Slot"
import { Effect, Layer, Schema } from "effect"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname } from "node:path"
import { Addresses } from "../../src/addresses/Addresses.ts"
import { AddressReader } from "../../src/addresses/AddressReader.ts"
import { AddressWriter } from "../../src/addresses/AddressWriter.ts"
import { HostCommand } from "../../src/host/HostCommand.ts"
import { HostMonitor } from "../../src/host/HostMonitor.ts"
import { LedgerReader } from "../../src/ledger/LedgerReader.ts"
import { LedgerWriter } from "../../src/ledger/LedgerWriter.ts"
import { RouteReader } from "../../src/routing/RouteReader.ts"
import { RouteWriter } from "../../src/routing/RouteWriter.ts"
import { Routing } from "../../src/routing/Routing.ts"
import { SourceNat } from "../../src/source-nat/SourceNat.ts"
import { SourceNatReader } from "../../src/source-nat/SourceNatReader.ts"
import { SourceNatWriter } from "../../src/source-nat/SourceNatWriter.ts"
import { noMonitors } from "../NoMonitors.ts"

export const FAR_V4 = "203.0.113.1"
export const FAR_V6 = "2001:db8:f::1"
const FAR_PORT = 7000

/** Two namespaces with a management and a relay link between them, a listener on the far side, and no way out. */
export interface RelayNetwork {
  readonly near: string
  readonly far: string
  /** Runs a program in the node's namespace; the value is what it wrote. */
  readonly run: (...argv: ReadonlyArray<string>) => string
  readonly runFar: (...argv: ReadonlyArray<string>) => string
  /** The source that the far listener sees, or why there is no connection. Without a UID root asks. */
  readonly sourceSeen: (target: string, uid?: number) => string
  /** The same where there should be none, which takes a shorter wait to find. */
  readonly sourceSeenSoon: (target: string, uid: number) => string
  /** The main routing tables, which are never written. */
  readonly mainTables: () => string
  /** What else on the node is not Patela's, without its counters. */
  readonly foreign: () => string
  /** Takes away all that is Patela's. */
  readonly clear: () => void
  readonly close: () => void
}

const LISTENER = `
const server = require("node:net").createServer((socket) => { socket.on("error", () => {}); socket.end(socket.remoteAddress + "\\n") })
server.listen(${FAR_PORT}, "::", () => console.log("listening"))
`

export const openNetwork = async (): Promise<RelayNetwork> => {
  const near = `patela-${process.pid}-near`
  const far = `patela-${process.pid}-far`
  const exec = (argv: ReadonlyArray<string>, options: { readonly timeout?: number } = {}): string => {
    const [program = "", ...args] = argv
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], ...options })
  }
  const inside = (namespace: string) => (...argv: ReadonlyArray<string>) =>
    exec(["ip", "netns", "exec", namespace, ...argv])
  const run = inside(near)
  const runFar = inside(far)
  let listener: ChildProcess | undefined
  const close = () => {
    listener?.kill("SIGKILL")
    rmSync(dirname(LEDGER), { recursive: true, force: true })
    for (const namespace of [near, far]) exec(["ip", "netns", "del", namespace])
  }

  try {
    for (const namespace of [near, far]) {
      exec(["ip", "netns", "add", namespace])
      // No duplicate address detection, so that the main table is at rest when a test begins.
      exec(["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0"])
      exec(["ip", "-n", namespace, "link", "set", "lo", "up"])
    }
    exec(["ip", "-n", near, "link", "add", "m0", "type", "veth", "peer", "name", "m1", "netns", far])
    exec(["ip", "-n", near, "link", "add", "e0", "type", "veth", "peer", "name", "e1", "netns", far])
    exec(["ip", "-n", near, "link", "add", "x0", "type", "veth", "peer", "name", "x1", "netns", far])
    for (const link of ["m0", "e0", "x0"]) run("ip", "link", "set", link, "up")
    for (const link of ["m1", "e1", "x1"]) runFar("ip", "link", "set", link, "up")
    run("ip", "address", "add", "192.0.2.10/24", "dev", "m0")
    run("ip", "address", "add", "2001:db8:1::10/64", "dev", "m0")
    runFar("ip", "address", "add", "192.0.2.1/24", "dev", "m1")
    runFar("ip", "address", "add", "2001:db8:1::1/64", "dev", "m1")
    runFar("ip", "address", "add", "198.51.100.1/24", "dev", "e1")
    runFar("ip", "address", "add", "2001:db8:2::1/64", "dev", "e1")
    runFar("ip", "address", "add", `${FAR_V4}/32`, "dev", "lo")
    runFar("ip", "address", "add", `${FAR_V6}/128`, "dev", "lo")
    run("ip", "route", "add", "default", "via", "192.0.2.1")
    run("ip", "-6", "route", "add", "default", "via", "2001:db8:1::1")
    // What is not Patela's: a table, an address outside the pools on the relay link, one inside them on another link.
    run(
      "nft",
      "add table inet foreign; add chain inet foreign c { type filter hook input priority 0; }; add rule inet foreign c counter"
    )
    run("ip", "address", "add", "203.0.113.200/32", "dev", "e0")
    run("ip", "address", "add", "198.51.100.77/32", "dev", "x0")
    run("ip", "rule", "add", "pref", "9000", "from", "203.0.113.200", "lookup", "9000")
    run("ip", "route", "add", "unreachable", "203.0.113.128/25", "table", "9000")
    // The kernel gives a link its own address, and the route to that, when it comes to it.
    const settled = () => run("ip", "-6", "-o", "address", "show", "scope", "link").split("\n").length > 3
    for (let looks = 0; looks < 1000 && !settled(); looks++) await new Promise((resolve) => setTimeout(resolve, 10))

    listener = await new Promise<ChildProcess>((resolve, reject) => {
      const child = spawn("ip", ["netns", "exec", far, process.execPath, "-e", LISTENER], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      child.once("error", reject)
      child.stdout.once("data", () => resolve(child))
    })
  } catch (cause) {
    close()
    throw cause
  }

  const seenWithin = (seconds: number) => (target: string, uid?: number): string => {
    const identity = uid === undefined ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"]
    const ask = `exec 3<>/dev/tcp/${target}/${FAR_PORT} && head -n 1 <&3`
    try {
      return exec(["ip", "netns", "exec", near, ...identity, "timeout", String(seconds), "bash", "-c", ask]).trim()
        .replace(
          "::ffff:",
          ""
        )
    } catch (error) {
      return `nothing: ${error instanceof Error ? error.message.replaceAll("\n", " ") : String(error)}`
    }
  }

  const [sourceSeen, sourceSeenSoon] = [seenWithin(30), seenWithin(3)]

  const clear = () => {
    rmSync(dirname(LEDGER), { recursive: true, force: true })
    const tables = run("nft", "list", "tables")
    if (tables.includes("inet patela")) run("nft", "delete", "table", "inet", "patela")
    for (const family of ["-4", "-6"]) {
      // A table that never had a route does not exist for a flush.
      run("ip", family, "route", "replace", "unreachable", "default", "metric", "4294967295", "table", "8020")
      run("ip", family, "route", "flush", "table", "8020")
      for (const line of run("ip", family, "rule").split("\n")) {
        if (line.includes("lookup 8020")) run("ip", family, "rule", "del", "pref", line.split(":")[0] ?? "")
      }
    }
    for (const line of run("ip", "-o", "address", "show", "dev", "e0", "scope", "global").split("\n")) {
      const address = line.split(/\s+/)[3]
      if (address !== undefined && !address.startsWith("203.0.113.200")) {
        try {
          run("ip", "address", "del", address, "dev", "e0")
        } catch {
          // The kernel took it away along with the first address of its subnet.
        }
      }
    }
  }

  const mainTables = () => ["-4", "-6"].map((family) => run("ip", family, "route", "show", "table", "main")).join()

  const foreign = () =>
    [
      run("nft", "list", "table", "inet", "foreign"),
      run("ip", "address", "show", "dev", "x0"),
      run("ip", "address", "show", "dev", "m0"),
      run("ip", "-o", "address", "show", "dev", "e0", "to", "203.0.113.0/24"),
      run("ip", "rule", "show", "pref", "9000"),
      run("ip", "route", "show", "table", "9000")
    ].join().replaceAll(/packets \d+ bytes \d+/g, "")

  return { near, far, run, runFar, sourceSeen, sourceSeenSoon, mainTables, foreign, clear, close }
}

/** A configuration of relays in slots 0 to `count` - 1, addresses from .10 and ::a on. */
export const inputOf = (count: number): DesiredInput => ({
  config: Schema.decodeUnknownSync(NodeConfig)({
    relays: Array.from({ length: count }, (_, slot) => ({
      name: `cheese${slot}`,
      slot,
      ip_v4: `198.51.100.${10 + slot}`,
      ip_v6: `2001:db8:2::${(10 + slot).toString(16)}`,
      or_port: 9001,
      dir_port: null,
      torrc: "",
      fingerprint: null
    })),
    network: {
      gateway_v4: "198.51.100.1",
      gateway_v6: "2001:db8:2::1",
      prefix_v4: 24,
      prefix_v6: 64,
      dns: [],
      pools: [
        { family: "ipv4", first: "198.51.100.10", last: "198.51.100.99" },
        { family: "ipv6", first: "2001:db8:2::a", last: "2001:db8:2::ff" }
      ]
    },
    geoip: false,
    test_network: false,
    generation: 1,
    removed: []
  }),
  facts: { cpus: 2, memory: 2 ** 31, relayInterface: { found: true, name: "e0" } },
  configIsNew: false
})

/** The same with three relays to an IPv4 address, each with a port of its own. */
export const sharing = (input: DesiredInput): DesiredInput => ({
  ...input,
  config: {
    ...input.config,
    relays: input.config.relays.map((relay) => ({
      ...relay,
      ip_v4: Ipv4.make(`198.51.100.${10 + Math.floor(relay.slot / 3)}`),
      or_port: 9001 + relay.slot % 3
    }))
  }
})

export const uids = (input: DesiredInput): ReadonlyArray<number> => input.config.relays.map(({ slot }) => uidOf(slot))

export type Read = AddressReader | HostMonitor | LedgerReader | RouteReader | SourceNatReader
export type Write = AddressWriter | LedgerWriter | RouteWriter | SourceNatWriter

/** Of the node in the namespace; `clear` removes it. */
export const LEDGER = `${tmpdir()}/patela-${process.pid}-ledger/owned.json`

export const readers = Layer.mergeAll(
  noMonitors,
  AddressReader.layer,
  LedgerReader.layerAt(LEDGER),
  RouteReader.layer,
  SourceNatReader.layer
)
export const writers = Layer.mergeAll(
  AddressWriter.layer,
  LedgerWriter.layerAt(LEDGER),
  RouteWriter.layer,
  SourceNatWriter.layer
)

export const hostOf = (namespace: string): Layer.Layer<HostCommand> =>
  HostCommand.layerBehind(["ip", "netns", "exec", namespace]).pipe(Layer.provide(NodeServices.layer))

/** Monitors of the kernel's events in a namespace. */
export const monitorOf = (namespace: string): Layer.Layer<HostMonitor> =>
  HostMonitor.layerBehind(["ip", "netns", "exec", namespace]).pipe(Layer.provide(NodeServices.layer))

export const KINDS: ReadonlyArray<Kind<Read, Write>> = [Addresses, Routing, SourceNat]

/** Runs on the node of the network, with all that its kinds ask for. */
export const onHost = <A, E>(network: RelayNetwork, effect: Effect.Effect<A, E, Read | Write>) =>
  effect.pipe(Effect.provide(Layer.merge(readers, writers).pipe(Layer.provide(hostOf(network.near)))))

/** Something was done, and all of it. */
export const allDone = (outcomes: ReadonlyMap<string, Outcome>): void => {
  assert.deepStrictEqual([...outcomes].filter(([, { done }]) => !done), [])
  assert.notStrictEqual(outcomes.size, 0)
}

/** What `diff` would say: every change of every kind. Its type has no writer. */
export const drift = (input: DesiredInput) =>
  Effect.forEach(KINDS, (kind) => kind.plan(input)).pipe(
    Effect.map((plans) => plans.flatMap(({ changes }) => changes))
  )

/** One run of every kind in order; the value has each outcome, and is empty where nothing was to do. */
export const reconcile = Effect.fnUntraced(function*(input: DesiredInput) {
  const outcomes = new Map<string, Outcome>()
  for (const kind of KINDS) {
    const plan = yield* kind.plan(input)
    for (const [address, outcome] of yield* plan.apply(() => true)) outcomes.set(address, outcome)
  }
  return outcomes
})
