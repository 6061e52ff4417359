import { assert, describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Duration, Effect, Option, Schedule } from "effect"
import { readFileSync } from "node:fs"
import * as net from "node:net"
import { commandTor, INSTANCES_RUNTIME } from "../../src/host/ControlSocket.ts"
import { loadedFrom } from "../../src/units/LoadedTorrc.ts"
import { RunningTor } from "../../src/units/RunningTor.ts"
import { Units } from "../../src/units/Units.ts"
import { converge, differing, inputFor, makeInstance, run, show, withInstances, writeTorrc } from "./UnitHost.ts"

const QUARK = RelayName.make("quark")
const TORRC = "/etc/tor/instances/quark/torrc"
const isOpen = (port: number): boolean => run("ss", "-Hltn").includes(`127.0.0.1:${port} `)

const ask = (command: string) => commandTor(`${INSTANCES_RUNTIME}/quark`, command, Duration.seconds(5))
const valuesOf = (...options: ReadonlyArray<string>) => ask(`GETCONF ${options.join(" ")}`)

/** tor opens its control socket a while after it says that it is ready. */
const start = Effect.fnUntraced(function*(...more: ReadonlyArray<string>) {
  run("ip", "link", "set", "lo", "up")
  makeInstance("quark", 9201, ...more)
  yield* converge(inputFor("quark"))
  yield* Effect.retry(valuesOf("Nickname"), { schedule: Schedule.spaced("50 millis"), times: 100 })
  return show("quark", "MainPID")
})

/** When systemd last ran what reloads the unit. */
const reloadedAt = (): string | undefined => /start_time=\[([^\]]*)\]/.exec(show("quark", "ExecReload"))?.[1]

describe("a relay that runs", () => {
  it.live("has another torrc by its control socket, without a restart and without a signal", () =>
    withInstances(
      ["quark"],
      Effect.gen(function*() {
        const pid = yield* start("RelayBandwidthRate 1 MB", "RelayBandwidthBurst 2 MB", "HeartbeatPeriod 9 hours")
        writeTorrc("quark", 9202, "RelayBandwidthBurst 3 MB", "ExitPolicy accept *:80", "ExitPolicy reject *:*")
        const { changes, outcomes } = yield* converge(inputFor("quark"))
        assert.deepStrictEqual(changes.map(({ lines }) => lines), [
          ["its torrc has other ports: reload, or restart where tor has no control socket"]
        ])
        assert.deepStrictEqual(outcomes.get("relay/quark/unit"), { done: true })
        assert.strictEqual(show("quark", "MainPID"), pid)
        assert.strictEqual(reloadedAt(), "n/a")
        assert.deepStrictEqual(yield* valuesOf("ORPort", "RelayBandwidthBurst", "ExitPolicy"), [
          "ORPort=127.0.0.1:9202",
          "RelayBandwidthBurst=3145728",
          "ExitPolicy=accept *:80",
          "ExitPolicy=reject *:*"
        ])
        // What is gone from the torrc is tor's own default again, or, of this rate, what tor derives from the burst.
        assert.deepStrictEqual(yield* valuesOf("RelayBandwidthRate", "HeartbeatPeriod"), [
          "RelayBandwidthRate=3145728",
          "HeartbeatPeriod=21600"
        ])
        assert.isTrue(isOpen(9202))
        assert.isFalse(isOpen(9201))
        assert.deepStrictEqual(yield* differing(inputFor("quark")), [])
      })
    ), 60_000)

  it.live("that cannot open a port says so and runs on as before, until it can", () =>
    withInstances(
      ["quark"],
      Effect.gen(function*() {
        const pid = yield* start("RelayBandwidthRate 1 MB", "RelayBandwidthBurst 2 MB")
        const taken = yield* Effect.acquireRelease(
          Effect.callback<net.Server>((resume) => {
            const server = net.createServer().listen(9301, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        writeTorrc("quark", 9301, "RelayBandwidthRate 1 MB", "RelayBandwidthBurst 3 MB")
        const refused = (yield* converge(inputFor("quark"))).outcomes.get("relay/quark/unit")
        assert.match(refused?.done === false ? refused.message : "", /goes on as before: tor said 5\d\d .*listener/)
        assert.strictEqual(show("quark", "MainPID"), pid)
        assert.strictEqual(show("quark", "ActiveState"), "active")
        assert.strictEqual(reloadedAt(), "n/a")
        assert.isTrue(isOpen(9201), "what it listened on is open")
        assert.deepStrictEqual(
          yield* valuesOf("RelayBandwidthBurst"),
          ["RelayBandwidthBurst=2097152"],
          "all or nothing"
        )
        assert.include(readFileSync(TORRC, "utf8"), "9301", "the file is what is wanted")

        yield* Effect.sync(() => taken.close())
        assert.deepStrictEqual((yield* converge(inputFor("quark"))).outcomes.get("relay/quark/unit"), { done: true })
        assert.strictEqual(show("quark", "MainPID"), pid)
        assert.isTrue(isOpen(9301))
      }).pipe(Effect.scoped)
    ), 60_000)

  it.live("has by one command just what it has by reading the file", () =>
    withInstances(
      ["quark"],
      Effect.gen(function*() {
        const pid = Number(yield* start())
        const tor = yield* RunningTor
        const seen = new Set<string>()
        const options = [
          "BandwidthBurst",
          "BandwidthRate",
          "ControlSocket",
          "DataDirectory",
          "ContactInfo",
          "ExitPolicy",
          "ExitRelay",
          "HeartbeatPeriod",
          "Log",
          "MaxMemInQueues",
          "MyFamily",
          "ORPort",
          "RelayBandwidthBurst",
          "RelayBandwidthRate"
        ]
        for (const [index, more] of TORRCS.entries()) {
          writeTorrc("quark", 9202 + index % 2, ...more)
          assert.deepStrictEqual(yield* tor.take(QUARK), Option.some(loadedFrom(readFileSync(TORRC, "utf8"))))
          const byCommand = yield* valuesOf(...options)
          process.kill(pid, "SIGHUP")
          // tor answers once it has read the file.
          yield* Effect.sleep("100 millis")
          assert.deepStrictEqual(yield* valuesOf(...options), byCommand, more.join("; "))
          for (const line of byCommand) seen.add(line)
        }
        assert.isAbove(seen.size, 20)
        assert.strictEqual(show("quark", "MainPID"), String(pid))
      })
    ), 60_000)

  it.live("whose control socket is gone is reloaded, or restarted for another port", () =>
    withInstances(
      ["quark"],
      Effect.gen(function*() {
        const pid = yield* start()
        run("rm", `${INSTANCES_RUNTIME}/quark/control`)
        writeTorrc("quark", 9201, "RelayBandwidthRate 1 MB", "RelayBandwidthBurst 2 MB")
        const reloaded = yield* (yield* Units.plan(inputFor("quark"))).apply(() => true)
        assert.deepStrictEqual([...reloaded.values()], [{ done: true }])
        assert.strictEqual(show("quark", "MainPID"), pid)
        assert.notStrictEqual(reloadedAt(), "n/a")
        writeTorrc("quark", 9202)
        const restarted = yield* (yield* Units.plan(inputFor("quark"))).apply(() => true)
        assert.deepStrictEqual([...restarted.values()], [{ done: true }])
        assert.notStrictEqual(show("quark", "MainPID"), pid)
        assert.isTrue(isOpen(9202))
      })
    ), 60_000)
})

/** One after another: lists, quotes, what is cleared or gone, what tor derives, and what the instance's defaults have too. */
const TORRCS: ReadonlyArray<ReadonlyArray<string>> = [
  ["RelayBandwidthRate 1 MB"],
  ["RelayBandwidthRate 3 MB"],
  ["RelayBandwidthRate 2 GB", "ExitPolicy accept *:80", "ExitPolicy reject *:*"],
  ["ExitPolicy accept *:443", "ExitPolicy accept *:80", "ExitPolicy reject *:*", "ExitRelay 1"],
  ["ContactInfo \"a \\\"b\\\" # c \\\\ \\t zoë\"", "MaxMemInQueues 300 MB"],
  ["/HeartbeatPeriod", "ContactInfo \"a \\\"b\\\" # c \\\\ \\t zoë\"", "MaxMemInQueues 300 MB"],
  ["HeartbeatPeriod 9 hours"],
  ["Log warn syslog"],
  ["+Log warn syslog", "/HeartbeatPeriod", "ExitRelay 0"],
  [`MyFamily $${"0123456789".repeat(4)}`, `MyFamily $${"ABCDE".repeat(8)}`, "ExitRelay 0"],
  []
]
