import { describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect } from "vitest"
import { Addresses } from "../../src/addresses/Addresses.ts"
import { HostMonitor } from "../../src/host/HostMonitor.ts"
import { Routing } from "../../src/routing/Routing.ts"
import { SourceNat } from "../../src/source-nat/SourceNat.ts"
import { SOON, until } from "../until.ts"
import { listening, monitors, onHost as onHostOf, theOne, untilQuiet } from "./Listening.ts"
import { monitorOf } from "./RelayNetwork.ts"
import { testNetwork } from "./TestNetwork.ts"

const AGENT = fileURLToPath(new URL("MonitoringAgent.ts", import.meta.url))

describe("monitors of the kernel", () => {
  const network = testNetwork()
  const onHost = onHostOf(() => network().near)

  it.live("shares one ip for the kinds that listen, and ends it with the last of them", () =>
    onHost(Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* listening(Addresses)
        yield* Effect.scoped(listening(Routing))
        yield* listening(Routing)
        expect(monitors("ip")).toHaveLength(1)
        expect(monitors("nft")).toHaveLength(0)
      }).pipe(Effect.scoped)
      expect(monitors("ip")).toHaveLength(0)
    })))

  it.live("says that events were lost when the kernel had no room for them", () =>
    onHost(
      Effect.gen(function*() {
        const { heard } = yield* listening(Addresses)
        const pid = theOne("ip")
        const batch = Array.from(
          { length: 10_000 },
          (_, i) => `address ${i % 2 === 0 ? "add" : "del"} 198.51.100.50/24 dev e0 noprefixroute\n`
        ).join("")
        process.kill(pid, "SIGSTOP")
        execFileSync("ip", ["-n", network().near, "-batch", "-"], { input: batch })
        expect(heard).toEqual([])
        process.kill(pid, "SIGCONT")
        expect(yield* until(() => heard.includes("events lost"), SOON)).toBe(true)
        // It goes on.
        yield* untilQuiet([heard])
        heard.length = 0
        network().run("ip", "address", "add", "198.51.100.51/24", "dev", "e0", "noprefixroute")
        expect(yield* until(() => heard.includes("look again"), SOON)).toBe(true)
      }).pipe(Effect.scoped)
    ))

  it.live("says so of nft, whose buffer is 16 MiB", () =>
    onHost(
      Effect.gen(function*() {
        network().run("nft", "add table inet patela; add chain inet patela c")
        const { heard } = yield* listening(SourceNat)
        const folder = mkdtempSync(join(tmpdir(), "patela-flood-"))
        const rules = Array.from({ length: 4000 }, (_, i) =>
          `add rule inet patela c ip saddr { 192.0.2.1, 192.0.2.2, 192.0.2.3 } tcp dport 1-${i + 2} counter accept `
          + `comment "${"x".repeat(120)}"\n`)
        writeFileSync(join(folder, "rules.nft"), rules.join(""))
        process.kill(theOne("nft"), "SIGSTOP")
        for (let round = 0; round < 5; round++) {
          network().run("nft", "-f", join(folder, "rules.nft"))
          network().run("nft", "flush", "chain", "inet", "patela", "c")
        }
        rmSync(folder, { recursive: true })
        expect(heard).toEqual([])
        process.kill(theOne("nft"), "SIGCONT")
        expect(
          yield* until(() =>
            heard.includes("events lost"), 3 * SOON)
        ).toBe(true)
      }).pipe(Effect.scoped)
    ))

  it.live.each([["ip", Addresses], ["ip", Routing], ["nft", SourceNat]] as const)(
    "fails when %s is killed, and listens again when it is opened again",
    ([program, kind]) =>
      onHost(
        Effect.gen(function*() {
          const { fiber } = yield* listening(kind)
          process.kill(theOne(program), "SIGKILL")
          const exit = yield* Fiber.await(fiber).pipe(Effect.timeout("10 seconds"))
          expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain(
            `the monitor ${program} was killed`
          )
          const { heard } = yield* listening(kind)
          network().run("ip", "link", "set", "e0", "down")
          network().run("nft", "add table inet patela")
          expect(yield* until(() => heard.includes("look again"), SOON)).toBe(true)
          network().run("ip", "link", "set", "e0", "up")
        }).pipe(Effect.scoped)
      )
  )

  it.live("fails when there is no such program, and says what was said", () =>
    Effect.gen(function*() {
      const monitor = yield* HostMonitor
      const error = yield* Effect.flip(Stream.runDrain(monitor.events("no-such-monitor")))
      expect(error.message).toContain("no-such-monitor")
      const other = yield* Effect.flip(Stream.runDrain(monitor.events("nft", "mnitor")))
      expect(other.message).toMatch(/ended with code 1: .*mnitor/)
    }).pipe(Effect.provide(Layer.suspend(() => monitorOf(network().near)))))

  it.live("leaves no monitor behind an agent that is killed", () =>
    Effect.gen(function*() {
      const agent = yield* Effect.acquireRelease(
        Effect.sync((): ChildProcess =>
          spawn(process.execPath, [AGENT, network().near], { stdio: ["ignore", "pipe", "inherit"] })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const pids = yield* Effect.promise(() =>
        new Promise<ReadonlyArray<number>>((resolve) =>
          agent.stdout?.once("data", (text) => resolve(String(text).trim().split(" ").map(Number)))
        )
      )
      expect(pids).toHaveLength(2)
      agent.kill("SIGKILL")
      const gone = (pid: number) => {
        try {
          process.kill(pid, 0)
          return false
        } catch {
          return true
        }
      }
      expect(yield* until(() => pids.every(gone), SOON)).toBe(true)
    }).pipe(Effect.scoped))
})
