import { assert, describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Duration, Effect, Option, Schedule } from "effect"
import { readFileSync } from "node:fs"
import * as net from "node:net"
import { commandTor, INSTANCES_RUNTIME } from "../../src/host/ControlSocket.ts"
import { loadedFrom } from "../../src/units/LoadedTorrc.ts"
import { RunningTor } from "../../src/units/RunningTor.ts"
import { converge, differing, inputFor, makeInstance, run, show, withInstances, writeTorrc } from "./UnitHost.ts"

const QUARK = RelayName.make("quark")
const TORRC = "/etc/tor/instances/quark/torrc"
const isOpen = (port: number): boolean => run("ss", "-Hltn").includes(`127.0.0.1:${port} `)

const ask = (command: string) => commandTor(`${INSTANCES_RUNTIME}/quark`, command, Duration.seconds(20))
const valuesOf = (...options: ReadonlyArray<string>) => ask(`GETCONF ${options.join(" ")}`)

/** When systemd last ran what reloads the unit. */
const reloadedAt = (): string | undefined => /start_time=\[([^\]]*)\]/.exec(show("quark", "ExecReload"))?.[1]

/** tor opens its control socket a while after it says that it is ready. The value is the number of its process. */
const start = Effect.gen(function*() {
  run("ip", "link", "set", "lo", "up")
  makeInstance("quark", 9201, "RelayBandwidthRate 1 MB", "RelayBandwidthBurst 2 MB", "HeartbeatPeriod 9 hours")
  yield* converge(inputFor("quark"))
  yield* Effect.retry(valuesOf("Nickname"), { schedule: Schedule.spaced("50 millis"), times: 600 })
  return show("quark", "MainPID")
})

const outcomeNow = Effect.map(converge(inputFor("quark")), ({ outcomes }) => outcomes.get("relay/quark/unit"))

const takesAnother = (pid: string) =>
  Effect.gen(function*() {
    writeTorrc("quark", 9202, "RelayBandwidthBurst 3 MB", "ExitPolicy accept *:80", "ExitPolicy reject *:*")
    const { changes, outcomes } = yield* converge(inputFor("quark"))
    assert.deepStrictEqual(changes.map(({ lines }) => lines), [
      ["its torrc has other ports: reload, or restart where tor has no control socket"]
    ])
    assert.deepStrictEqual(outcomes.get("relay/quark/unit"), { done: true })
    assert.strictEqual(show("quark", "MainPID"), pid)
    assert.strictEqual(reloadedAt(), "n/a", "no signal was sent")
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

const refusesAndRunsOn = (pid: string) =>
  Effect.gen(function*() {
    const taken = yield* Effect.acquireRelease(
      Effect.callback<net.Server>((resume) => {
        const server = net.createServer().listen(9301, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    )
    writeTorrc("quark", 9301, "RelayBandwidthBurst 2 MB")
    const refused = yield* outcomeNow
    assert.match(refused?.done === false ? refused.message : "", /goes on as before: tor said 5\d\d .*listener/)
    assert.strictEqual(show("quark", "MainPID"), pid)
    assert.strictEqual(show("quark", "ActiveState"), "active")
    assert.strictEqual(reloadedAt(), "n/a")
    assert.isTrue(isOpen(9202), "what it listened on is open")
    assert.deepStrictEqual(yield* valuesOf("RelayBandwidthBurst"), ["RelayBandwidthBurst=3145728"], "all or nothing")
    assert.include(readFileSync(TORRC, "utf8"), "9301", "the file is what is wanted")

    yield* Effect.sync(() => taken.close())
    assert.deepStrictEqual(yield* outcomeNow, { done: true }, "once the port is free")
    assert.strictEqual(show("quark", "MainPID"), pid)
    assert.isTrue(isOpen(9301))
  }).pipe(Effect.scoped)

/** What the relay would have authorities know of it, as its directory port says it. */
const descriptor = Effect.tryPromise(async () => {
  const answer = await fetch("http://127.0.0.1:9401/tor/server/authority")
  return answer.ok ? await answer.text() : ""
})

/** Waits until the descriptor declares so many families, and gives the burst that it says. */
const declaring = (families: number) =>
  Effect.map(
    Effect.retry(
      Effect.filterOrFail(
        descriptor,
        (text) => text !== "" && text.split("BEGIN FAMILY CERT").length === families + 1,
        () => `it does not declare ${families} families`
      ),
      { schedule: Schedule.spaced("100 millis"), times: 300 }
    ),
    (text) => Number(/^bandwidth \d+ (\d+) /m.exec(text)?.[1])
  )

const declaresFamilies = (pid: string) =>
  Effect.gen(function*() {
    const keys = "/var/lib/tor-instances/quark/keys"
    const files = ["one", "two"]
    run("sh", "-c", `cd ${keys} && for each in ${files.join(" ")}; do tor --keygen-family $each --quiet; done`)
    run("sh", "-c", `chown _tor-quark:_tor-quark ${keys}/*family*`)
    const [one, two] = files.map((name) =>
      `FamilyId ${readFileSync(`${keys}/${name}.public_family_id`, "utf8").trim()}`
    )
    const bursts: Array<number> = []
    for (const families of [[], [one], [two, one], [two], []]) {
      const lines = families.filter((line) => line !== undefined)
      writeTorrc("quark", 9202, "DirPort 127.0.0.1:9401", "RelayBandwidthBurst 2 MB", ...lines)
      assert.deepStrictEqual(yield* outcomeNow, { done: true })
      bursts.push(yield* declaring(lines.length))
    }
    assert.strictEqual(bursts[0], 2 ** 21)
    for (const [at, burst] of bursts.entries()) {
      assert.notStrictEqual(burst, bursts[at - 1], "for authorities it is another descriptor")
      assert.closeTo(burst, 2 ** 21, 2)
    }
    assert.deepStrictEqual(yield* valuesOf("__ReloadTorrcOnSIGHUP"), ["__ReloadTorrcOnSIGHUP=1"])
    assert.strictEqual(show("quark", "MainPID"), pid)
    assert.strictEqual(reloadedAt(), "n/a", "no signal was sent")
  })

const hasWhatTheFileSays = (pid: string) =>
  Effect.gen(function*() {
    const tor = yield* RunningTor
    const seen = new Set<string>()
    for (const [index, more] of TORRCS.entries()) {
      const loaded = loadedFrom(readFileSync(TORRC, "utf8"))
      writeTorrc("quark", 9202 + index % 2, ...more)
      assert.deepStrictEqual(yield* tor.take(QUARK, loaded), Option.some(loadedFrom(readFileSync(TORRC, "utf8"))))
      const byCommand = yield* valuesOf(...COMPARED)
      process.kill(Number(pid), "SIGHUP")
      // tor answers once it has read the file.
      yield* Effect.sleep("50 millis")
      assert.deepStrictEqual(yield* valuesOf(...COMPARED), byCommand, more.join("; "))
      for (const line of byCommand) seen.add(line)
    }
    assert.isAbove(seen.size, 20)
    assert.strictEqual(show("quark", "MainPID"), pid)
  })

const withoutSocket = (pid: string) =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* outcomeNow, { done: true }, "the ledger has what tor was told behind its back")
    run("rm", `${INSTANCES_RUNTIME}/quark/control`)
    writeTorrc("quark", 9202, "RelayBandwidthRate 1 MB")
    assert.deepStrictEqual(yield* outcomeNow, { done: true })
    assert.strictEqual(show("quark", "MainPID"), pid)
    assert.notStrictEqual(reloadedAt(), "n/a", "it was reloaded")
    writeTorrc("quark", 9205)
    assert.deepStrictEqual(yield* outcomeNow, { done: true })
    assert.notStrictEqual(show("quark", "MainPID"), pid, "another port restarts it")
    assert.isTrue(isOpen(9205))
  })

describe("a relay that runs", () => {
  it.live(
    "takes another torrc by its control socket, refuses what it cannot and runs on, and is reloaded without the socket",
    () =>
      withInstances(
        ["quark"],
        Effect.gen(function*() {
          const pid = yield* start
          yield* takesAnother(pid)
          yield* refusesAndRunsOn(pid)
          yield* declaresFamilies(pid)
          yield* hasWhatTheFileSays(pid)
          yield* withoutSocket(pid)
        })
      ),
    120_000
  )
})

/** The options of which tor is asked what it has. */
const COMPARED = [
  "BandwidthBurst",
  "BandwidthRate",
  "ContactInfo",
  "ControlSocket",
  "DataDirectory",
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
