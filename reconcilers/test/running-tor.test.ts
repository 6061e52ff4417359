import { assert, describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { mergeTorrcs } from "@patela/domain/torrc/merge"
import { parseTorrc } from "@patela/domain/torrc/parse"
import type { Torrc } from "@patela/domain/torrc/Torrc"
import { Effect, Option, Result, Schema } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { commandTor } from "../src/host/ControlSocket.ts"
import { BootstrapReader } from "../src/units/BootstrapReader.ts"
import { type Burst, burstOf, declareFamily, otherBurst, readBurst } from "../src/units/declareFamily.ts"
import { hasOtherListeners, loadedFrom } from "../src/units/LoadedTorrc.ts"
import { loadCommand, RunningTor } from "../src/units/RunningTor.ts"

/** Scalars, lists, cleared options, and values that need quotes. */
const Line = Schema.Literals([
  "ContactInfo \"a \\\"b\\\" # c \\\\ \\t zoë\"",
  "ContactInfo .",
  "RelayBandwidthRate 1 MB",
  "ExitPolicy accept *:80",
  "ExitPolicy reject *:*",
  "+ExitPolicy reject *:*",
  "ORPort 192.0.2.1:9001",
  "HeartbeatPeriod 9 hours",
  "/HeartbeatPeriod",
  "Log warn syslog",
  "/Log"
])

const DEFAULTS = "User _tor-toma\nLog notice syslog\nSocksPort unix:/run/tor-instances/toma/socks WorldWritable\n"

const read = (text: string): Torrc => Result.getOrThrow(parseTorrc(text)).lines

describe("what a running tor is told", () => {
  it.prop("is its torrc over the instance's defaults, as one text with an end", [Schema.Array(Line)], ([lines]) => {
    const command = loadCommand({ torrc: lines.join("\n"), defaults: DEFAULTS }) ?? ""
    const [first, ...text] = command.split("\r\n")
    assert.strictEqual(first, "+LOADCONF")
    assert.strictEqual(text.pop(), ".")
    assert.isFalse(text.some((line) => line.startsWith(".") || line.includes("\n")))
    assert.deepStrictEqual(read(text.join("\n")), mergeTorrcs([read(DEFAULTS), read(lines.join("\n"))]))
  })

  it("is nothing where either text is no torrc", () => {
    assert.isUndefined(loadCommand({ torrc: "NoSuchOption 1", defaults: "" }))
    assert.isUndefined(loadCommand({ torrc: "ExitRelay 0", defaults: "NoSuchOption 1" }))
  })
})

describe("a torrc that a unit was started with", () => {
  it("asks for a restart for another place in the network, and for a port that a running tor may not bind", () => {
    const restarts = (before: string, after: string) =>
      loadedFrom(before).restartDigest !== loadedFrom(after).restartDigest
    const [one, other] = ["ORPort 192.0.2.1:9001", "ORPort 192.0.2.1:9002"]
    assert.isFalse(restarts(one, other))
    assert.isTrue(hasOtherListeners(loadedFrom(one), loadedFrom(other)))
    assert.isFalse(hasOtherListeners(loadedFrom(one), loadedFrom(`${one}\nExitRelay 0`)))
    for (const port of ["443", "192.0.2.1:443", "[2001:db8::1]:443", "192.0.2.1:443 IPv4Only"]) {
      assert.isTrue(restarts(one, `ORPort ${port}`), port)
      assert.isTrue(restarts(`ORPort ${port}`, one), port)
    }
    assert.isTrue(restarts("Address 192.0.2.1", "Address 192.0.2.2"))
    assert.isTrue(restarts("NumCPUs 1", "NumCPUs 2"))
    assert.isTrue(restarts("Sandbox 1", "Sandbox 1\nExitRelay 0"))
  })
})

/** A folder of an instance in which something listens that is no tor, or nothing. */
const withSocket = <A, E>(
  behave: ((socket: Socket, line: string) => void) | undefined,
  test: (root: string) => Effect.Effect<A, E>
) =>
  Effect.scoped(Effect.gen(function*() {
    const root = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(`${tmpdir()}/patela-control-`)),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    mkdirSync(`${root}/toma`)
    writeFileSync(`${root}/toma/control.authcookie`, Buffer.alloc(32, 7))
    if (behave !== undefined) {
      const server = createServer((socket) => {
        socket.on("error", () => {})
        socket.setEncoding("utf8").on("data", (text: string) => behave(socket, text))
      })
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(`${root}/toma/control`, () => resume(Effect.void))),
        () => Effect.sync(() => server.close())
      )
    }
    return yield* test(root)
  }))

const OK = "250 OK\r\n"
const isLogin = (line: string) => line.startsWith("AUTHENTICATE ")

describe("a control socket", () => {
  const ask = (root: string) => Effect.result(commandTor(`${root}/toma`, "GETINFO version", "3 seconds"))
  const tagOf = (answer: Effect.Success<ReturnType<typeof ask>>) =>
    Result.isFailure(answer) ? answer.failure._tag : answer.success.join()

  it.live("is away as long as tor has not let us in, and refuses from then on", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [string, ((socket: Socket, line: string) => void) | undefined]> = [
        ["ControlAway", undefined],
        ["ControlAway", (socket) => socket.destroy()],
        ["ControlAway", (socket) => socket.write("515 Authentication failed\r\n")],
        ["ControlAway", () => {}],
        ["ControlRefused", (socket, line) => isLogin(line) ? socket.write(OK) : socket.destroy()],
        ["ControlRefused", (socket, line) => isLogin(line) ? socket.write(OK) : undefined],
        ["ControlRefused", (socket, line) => socket.write(isLogin(line) ? OK : "552 Unrecognized key\r\n")],
        ["ControlRefused", (socket, line) => socket.write(isLogin(line) ? OK : "nonsense\r\n")],
        ["ControlRefused", (socket, line) => socket.write(isLogin(line) ? OK : "250-".repeat(20_000))],
        ["version=0.4.9,OK", (socket, line) => socket.write(isLogin(line) ? OK : `250-version=0.4.9\r\n${OK}`)]
      ]
      for (const [tag, behave] of cases) {
        assert.strictEqual(tagOf(yield* withSocket(behave, ask)), tag, String(behave))
      }
    }))

  it.live("says whether tor is bootstrapped, which it is not where it does not say so", () =>
    Effect.gen(function*() {
      const phase = (line: string) => (socket: Socket, asked: string) =>
        socket.write(isLogin(asked) ? OK : `250-status/bootstrap-phase=NOTICE BOOTSTRAP ${line}\r\n${OK}`)
      const cases: ReadonlyArray<readonly [boolean, ((socket: Socket, line: string) => void) | undefined]> = [
        [true, phase("PROGRESS=100 TAG=done SUMMARY=\"Done\"")],
        [false, phase("PROGRESS=10 TAG=conn_done SUMMARY=\"Connected to a relay\"")],
        [false, phase("PROGRESS=1000")],
        [false, (socket, line) => socket.write(isLogin(line) ? OK : "552 Unrecognized key\r\n")],
        [false, undefined]
      ]
      for (const [expected, behave] of cases) {
        const found = yield* withSocket(behave, (root) =>
          Effect.gen(function*() {
            return yield* (yield* BootstrapReader).isBootstrapped(RelayName.make("toma"))
          }).pipe(Effect.provide(BootstrapReader.layerAt(root))))
        assert.strictEqual(found, expected)
      }
    }))

  it.live("of a relay without a torrc is not asked", () =>
    withSocket(() => assert.fail("asked"), (root) =>
      Effect.gen(function*() {
        const taken = yield* (yield* RunningTor).take(RelayName.make("toma"), loadedFrom(""))
        assert.isTrue(Option.isNone(taken))
      }).pipe(Effect.provide(RunningTor.layerAt(root)))))
})

describe("another family of a running tor", () => {
  const Bytes = Schema.Literals([0, 1, 75_000, 2 ** 30 - 1, 2 ** 30, 2 ** 31 - 3, 2 ** 31 - 2, 2 ** 31 - 1])

  it.prop("goes along with a burst that no descriptor has, by two bytes at most and none that tor refuses", [
    Bytes,
    Bytes,
    Schema.Literals([-2, -1, 0, 1, 2, 1000])
  ], ([all, own, apart]) => {
    const now = burstOf(new Map([["BandwidthBurst", String(all)], ["RelayBandwidthBurst", String(own)]]))
    assert.deepStrictEqual<Burst>(
      now,
      own > 0 && own < all ? { option: "RelayBandwidthBurst", bytes: own } : { option: "BandwidthBurst", bytes: all }
    )
    const before: Burst = { ...now, bytes: now.bytes + apart }
    const other = otherBurst(before, now)
    assert.strictEqual(other.option, now.option)
    assert.notInclude([before.bytes, now.bytes], other.bytes)
    assert.isAtMost(Math.abs(other.bytes - now.bytes), 2)
    assert.isAtMost(other.bytes, 2 ** 31 - 1)
  })

  /** A tor that has these options, and says what it was told, in order; it refuses to set what `no` is in. */
  const told = (no: string) => {
    const options = new Map([["BandwidthBurst", "1000"]])
    const heard: Array<string> = []
    const behave = (socket: Socket, text: string) => {
      if (isLogin(text)) return socket.write(OK)
      const line = text.trim()
      heard.push(line)
      if (line.startsWith("GETCONF")) {
        return socket.write(`250-BandwidthBurst=${options.get("BandwidthBurst")}\r\n250 RelayBandwidthBurst\r\n`)
      }
      return socket.write(line.includes(no) ? "513 Unacceptable option value\r\n" : OK)
    }
    return { heard, behave }
  }

  const declared = (root: string) =>
    Effect.gen(function*() {
      const before = yield* readBurst(`${root}/toma`, "10 seconds")
      yield* declareFamily(`${root}/toma`, before, "10 seconds")
    })

  const COMMANDS = [
    "GETCONF BandwidthBurst RelayBandwidthBurst",
    "SETCONF __ReloadTorrcOnSIGHUP=0",
    "SIGNAL RELOAD",
    "SETCONF __ReloadTorrcOnSIGHUP=1",
    "GETCONF BandwidthBurst RelayBandwidthBurst",
    "SETCONF BandwidthBurst=1001"
  ]

  it.live("is told by a reload that reads no torrc, and then a descriptor is due", () =>
    Effect.gen(function*() {
      const { behave, heard } = told("nothing")
      yield* withSocket(behave, declared)
      assert.deepStrictEqual(heard, COMMANDS)
    }))

  it.live("is declared also where no other burst is to be had, and not where tor would read its torrc", () =>
    Effect.gen(function*() {
      const atMost = told("BandwidthBurst=")
      yield* withSocket(atMost.behave, declared)
      assert.deepStrictEqual(atMost.heard, COMMANDS)
      const deaf = told("SIGHUP=0")
      assert.isTrue(Result.isFailure(yield* Effect.result(withSocket(deaf.behave, declared))))
      assert.notInclude(deaf.heard, "SIGNAL RELOAD")
    }))
})
