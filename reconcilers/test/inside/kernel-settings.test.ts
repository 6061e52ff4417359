import { assert, describe, it } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { Effect, Layer, Stream } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { ReplaceFile } from "../../src/host/ReplaceFile.ts"
import { ConntrackSettings } from "../../src/kernel-settings/ConntrackSettings.ts"
import { KernelSettings } from "../../src/kernel-settings/KernelSettings.ts"
import { LinkSettings } from "../../src/kernel-settings/LinkSettings.ts"
import { SettingLedgerReader, SettingLedgerWriter } from "../../src/kernel-settings/SettingLedger.ts"
import { SettingReader } from "../../src/kernel-settings/SettingReader.ts"
import { SettingWriter } from "../../src/kernel-settings/SettingWriter.ts"
import { nodeInput, relayAt } from "../NodeInput.ts"

if (!existsSync("/run/systemd/container")) {
  throw new Error("these tests change the system they run on: run them inside the throw-away container")
}

const layer = Layer.mergeAll(
  SettingReader.layer,
  SettingWriter.layer,
  SettingLedgerReader.layer,
  SettingLedgerWriter.layer.pipe(Layer.provide(ReplaceFile.layer))
)
type Services = Layer.Success<typeof layer>

const KINDS: ReadonlyArray<Kind<Services, Services>> = [KernelSettings, LinkSettings, ConntrackSettings]
const LEDGER = "/run/patela/kernel-settings.json"

const setting = (path: string): string => readFileSync(`/proc/sys/${path}`, "utf8").trim()
const set = (path: string, text: string): void => writeFileSync(`/proc/sys/${path}`, text)

const inputFor = (relays: number): DesiredInput =>
  nodeInput(Array.from({ length: relays }, (_, slot) => ({ ...relayAt(slot, `toma${slot}`), or_port: 20_001 + slot })))

const pass = Effect.fnUntraced(function*(input: DesiredInput) {
  const outcomes = yield* Effect.forEach(KINDS, (kind) =>
    Effect.gen(function*() {
      return [...(yield* (yield* kind.plan(input)).apply(() => true)).values()]
    }))
  return outcomes.flat()
})

const differing = (input: DesiredInput) =>
  Effect.map(
    Effect.forEach(KINDS, (kind) => kind.plan(input)),
    (plans) => plans.flatMap(({ changes }) => changes.flatMap(({ lines }) => lines))
  )

/** A link for relays that exists only in here; the other end is beside it. */
const withLink = <A, E>(test: Effect.Effect<A, E, Services>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    Effect.sync(() => execFileSync("ip", ["link", "add", "ens0", "type", "veth", "peer", "name", "far0"])),
    () => Effect.provide(test, layer),
    () =>
      Effect.sync(() => {
        execFileSync("ip", ["link", "del", "ens0"])
        rmSync(LEDGER, { force: true })
      })
  )

const PATHS = {
  reserved: "net/ipv4/ip_local_reserved_ports",
  range: "net/ipv4/ip_local_port_range",
  backlog: "net/core/somaxconn",
  advertisements: "net/ipv6/conf/ens0/accept_ra",
  strictness: "net/ipv4/conf/ens0/rp_filter"
} as const
const all = () => Object.fromEntries(Object.values(PATHS).map((path) => [path, setting(path)]))

describe("kernel settings of a real node", () => {
  it.live("are raised, kept, and put back", () =>
    withLink(Effect.gen(function*() {
      set(PATHS.strictness, "1")
      set(PATHS.reserved, "8080")
      const before = all()
      const flows = setting("net/netfilter/nf_conntrack_max")
      assert.deepStrictEqual(yield* pass(inputFor(2)), [{ done: true }, { done: true }])
      assert.deepStrictEqual(all(), {
        [PATHS.reserved]: "8080,10000-10511,20001-20002",
        [PATHS.range]: "16384\t65535",
        [PATHS.backlog]: "16384",
        [PATHS.advertisements]: "0",
        [PATHS.strictness]: "2"
      })
      // A network namespace has no limit of flows of its own: not managed here, and no failure.
      assert.strictEqual(setting("net/netfilter/nf_conntrack_max"), flows)

      assert.strictEqual(statSync(LEDGER).mode & 0o777, 0o600)
      const { ino } = statSync(LEDGER)
      assert.deepStrictEqual(yield* differing(inputFor(2)), [])
      assert.deepStrictEqual(yield* pass(inputFor(2)), [])
      assert.strictEqual(statSync(LEDGER).ino, ino)

      // One relay more, and somebody who sets things.
      set(PATHS.strictness, "1")
      set(PATHS.backlog, "32768")
      assert.deepStrictEqual(yield* differing(inputFor(3)), [
        "net.ipv4.ip_local_reserved_ports: 8080,10000-10511,20001-20002 -> 8080,10000-10511,20001-20003",
        "net.ipv4.conf.ens0.rp_filter: 1 -> 2"
      ])
      yield* pass(inputFor(3))
      assert.deepStrictEqual(yield* differing(inputFor(3)), [])

      yield* pass(inputFor(0))
      assert.deepStrictEqual(all(), { ...before, [PATHS.backlog]: "32768" })
      assert.deepStrictEqual(yield* differing(inputFor(0)), [])
      set(PATHS.backlog, before[PATHS.backlog] ?? "4096")
      set(PATHS.reserved, "")
    })))

  it.live("one that somebody sets is told within half a second, also on a link that was taken away meanwhile", () =>
    withLink(
      Effect.gen(function*() {
        const heard: Array<string> = []
        yield* LinkSettings.watch.pipe(
          Stream.runForEach((signal) => Effect.sync(() => heard.push(signal))),
          Effect.forkScoped
        )
        /** What is heard within half a second of a change: once each. */
        const hear = Effect.fnUntraced(function*(change: () => void) {
          heard.length = 0
          change()
          for (let waited = 0; waited < 500; waited += 50) yield* Effect.sleep(50)
          return heard.length
        })
        yield* pass(inputFor(1))
        assert.deepStrictEqual(yield* differing(inputFor(1)), [])
        assert.strictEqual(yield* hear(() => {}), 0)
        assert.strictEqual(yield* hear(() => set(PATHS.advertisements, "1")), 1)
        assert.strictEqual(yield* hear(() => execFileSync("ip", ["link", "del", "ens0"])), 1)
        assert.isAtLeast(
          yield* hear(() => execFileSync("ip", ["link", "add", "ens0", "type", "veth", "peer", "name", "far0"])),
          1
        )
        assert.strictEqual(yield* hear(() => set(PATHS.strictness, "1")), 1)
        yield* pass(inputFor(0))
      }).pipe(Effect.scoped)
    ))

  it.live("no connection gets a port that a relay listens at", () =>
    withLink(Effect.gen(function*() {
      const before = setting(PATHS.range)
      yield* pass(inputFor(1))
      // With room for two ports, one of them reserved, every connection gets the other.
      set(PATHS.range, "20001\t20002")
      const script = `const net = require("node:net")
const server = net.createServer().listen(0, "127.0.0.1", () => {
  const ports = [server.address().port]
  console.log(JSON.stringify(ports))
  server.close()
})`
      execFileSync("ip", ["link", "set", "lo", "up"])
      for (let tries = 0; tries < 5; tries++) {
        assert.strictEqual(execFileSync(process.execPath, ["--eval", script], { encoding: "utf8" }).trim(), "[20002]")
      }
      set(PATHS.range, before)
      yield* pass(inputFor(0))
    })))
})
