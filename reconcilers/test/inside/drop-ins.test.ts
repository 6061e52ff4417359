import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { DropIns } from "../../src/drop-ins/DropIns.ts"
import { Units } from "../../src/units/Units.ts"
import {
  converge,
  differing,
  inputFor,
  makeInstance,
  run,
  show,
  statusOf,
  withInstances,
  writeTorrc
} from "./UnitHost.ts"

const directoryOf = (name: string): string => `/run/systemd/system/tor@${name}.service.d`
const fileOf = (name: string): string => `${directoryOf(name)}/patela.conf`
const active = "active"

/** How often systemd has read its units: it says so each time, and the journal writes that down a while later. */
const reloads = (): number => {
  run("journalctl", "--sync")
  return run("journalctl", "--no-pager", "--output=cat", "_PID=1").split("\n")
    .filter((line) => /^Reloading\.+$/.test(line)).length
}

const listening = (port: number): boolean => run("ss", "-Hltn", `sport = :${port}`).includes(`:${port}`)

describe("drop-ins on systemd", () => {
  it.live("a relay starts within its sandbox, and is the relay that it was", () =>
    withInstances(
      ["quark", "ricotta"],
      Effect.gen(function*() {
        run("ip", "link", "set", "lo", "up")
        makeInstance("quark", 9201)
        makeInstance("ricotta", 9202)
        const input = inputFor("quark", "ricotta")
        const before = reloads()
        const first = yield* converge(input)
        for (const [address, outcome] of first.outcomes) assert.deepStrictEqual(outcome, { done: true }, address)
        assert.strictEqual(reloads(), before + 1, "one daemon-reload for both")
        assert.strictEqual(statSync(fileOf("quark")).mode & 0o777, 0o644)

        for (const [name, port, cpu] of [["quark", 9201, "0"], ["ricotta", 9202, "1"]] as const) {
          const pid = show(name, "MainPID")
          assert.strictEqual(show(name, "ActiveState"), active)
          assert.strictEqual(show(name, "ControlGroup"), `/patela.slice/tor@${name}.service`)
          assert.strictEqual(show(name, "MemoryMax"), String(1792 * 2 ** 20))
          assert.strictEqual(statusOf(pid, "Cpus_allowed_list"), cpu)
          assert.strictEqual(statusOf(pid, "Seccomp"), "2", "system calls are filtered")
          assert.strictEqual(statusOf(pid, "CapEff"), "0000000000000000")
          assert.isTrue(listening(port) && listening(port + 1000), "its ports are open")
          assert.isTrue(existsSync(`/var/lib/tor-instances/${name}/keys/ed25519_master_id_secret_key`))
          assert.isTrue(existsSync(`/var/lib/tor-instances/${name}/state`))
        }
        // What the sandbox takes away is taken away: asked from within the relay's own mount namespace.
        const inside = ["nsenter", "--target", show("quark", "MainPID"), "--mount", "--"] as const
        assert.throws(() => run(...inside, "touch", "/proc/sys/net/core/somaxconn"))
        assert.throws(() => run(...inside, "sh", "-c", "echo 4096 > /proc/sys/net/core/somaxconn"))

        // It lives through a reload in there: what it reads then it reads as its own user.
        const pid = show("quark", "MainPID")
        writeTorrc("quark", 9201, "RelayBandwidthRate 1 MB")
        const reloaded = yield* converge(input)
        assert.deepStrictEqual(reloaded.changes.map(({ lines }) => lines), [["its torrc changed: reload"]])
        assert.deepStrictEqual(reloaded.outcomes.get("relay/quark/unit"), { done: true })
        assert.strictEqual(show("quark", "MainPID"), pid)
        assert.strictEqual(show("quark", "NRestarts"), "0")

        // Nothing to do is nothing done.
        const stamps = ["drop-ins.json", "units.json"].map((file) => statSync(`/run/patela/${file}`).ino)
        assert.deepStrictEqual(yield* differing(input), [])
        yield* converge(input)
        assert.strictEqual(reloads(), before + 1)
        assert.deepStrictEqual(
          ["drop-ins.json", "units.json"].map((file) => statSync(`/run/patela/${file}`).ino),
          stamps
        )
      })
    ), 120_000)

  it.live(
    "a running relay is restarted for another sandbox or processor, and not for another limit of memory",
    () =>
      withInstances(
        ["quark"],
        Effect.gen(function*() {
          makeInstance("quark", 9201)
          const input = inputFor("quark")
          yield* converge(input)
          const pid = show("quark", "MainPID")

          const more = { ...input, facts: { ...input.facts, memory: 2 * input.facts.memory } }
          assert.deepStrictEqual(yield* differing(more), [
            "update relay/quark/drop-in: - MemoryMax=3758096384; + MemoryMax=7516192768"
          ])
          yield* converge(more)
          assert.strictEqual(show("quark", "MainPID"), pid)
          assert.strictEqual(show("quark", "MemoryMax"), "7516192768", "systemd has it at once")
          assert.deepStrictEqual(yield* differing(more), [])

          // Less memory again: tor is told first, and systemd then.
          const limitIn = () => show("quark", "MemoryMax")
          yield* (yield* DropIns.plan(input)).apply(() => true)
          assert.strictEqual(limitIn(), "7516192768")
          yield* converge(input)
          assert.strictEqual(limitIn(), "3758096384")
          assert.strictEqual(show("quark", "MainPID"), pid)
          assert.deepStrictEqual(yield* differing(input), [])
          yield* converge(more)

          // A sandbox that an older agent wrote.
          writeFileSync(fileOf("quark"), readFileSync(fileOf("quark"), "utf8").replace("PrivateIPC=yes\n", ""))
          run("systemctl", "daemon-reload")
          rmSync("/run/patela/units.json")
          yield* (yield* Units.plan(more)).apply(() => true)
          const old = show("quark", "MainPID")
          assert.deepStrictEqual((yield* DropIns.plan(more)).changes.map(({ lines }) => lines), [["+ PrivateIPC=yes"]])
          const { changes, outcomes } = yield* converge(more)
          assert.deepStrictEqual(changes.map(({ lines, reason }) => [reason, lines]), [
            ["drift", ["+ PrivateIPC=yes"]],
            ["dependency changed", ["its drop-in changed: restart, which takes up to 30 s"]]
          ])
          assert.deepStrictEqual(outcomes.get("relay/quark/unit"), { done: true })
          assert.notStrictEqual(show("quark", "MainPID"), old)
          assert.strictEqual(show("quark", "PrivateIPC"), "yes")
          assert.deepStrictEqual(yield* differing(more), [])
        })
      ),
    120_000
  )

  it.live("an agent that is killed before the daemon-reload has it done by the next", () =>
    withInstances(
      ["quark"],
      Effect.gen(function*() {
        makeInstance("quark", 9201)
        const input = inputFor("quark")
        yield* (yield* DropIns.plan(input)).apply(() => true)
        const content = readFileSync(fileOf("quark"))

        // The file is there and systemd was never told.
        rmSync(directoryOf("quark"), { recursive: true })
        run("systemctl", "daemon-reload")
        mkdirSync(directoryOf("quark"))
        writeFileSync(fileOf("quark"), content, { mode: 0o644 })
        assert.strictEqual(show("quark", "DropInPaths"), "")
        assert.deepStrictEqual((yield* DropIns.plan(input)).changes.map(({ lines }) => lines), [
          ["systemd has not read it yet: daemon-reload"]
        ])
        const { ino } = statSync(fileOf("quark"))
        const outcomes = yield* (yield* DropIns.plan(input)).apply(() => true)
        assert.deepStrictEqual([...outcomes.values()], [{ done: true }])
        assert.strictEqual(statSync(fileOf("quark")).ino, ino, "the file was right and is not written again")
        assert.strictEqual(show("quark", "DropInPaths"), fileOf("quark"))
        assert.deepStrictEqual((yield* DropIns.plan(input)).changes, [])

        // Removed, and systemd not told of that either.
        rmSync(directoryOf("quark"), { recursive: true })
        assert.strictEqual(show("quark", "DropInPaths"), fileOf("quark"))
        yield* (yield* DropIns.plan(inputFor())).apply(() => true)
        assert.strictEqual(show("quark", "DropInPaths"), "")
        assert.deepStrictEqual((yield* DropIns.plan(inputFor())).changes, [])
      })
    ), 120_000)

  it.live("takes away its own file alone, and leaves those of others", () =>
    withInstances(
      ["quark", "ricotta", "caprino"],
      Effect.gen(function*() {
        makeInstance("quark", 9201)
        makeInstance("ricotta", 9202)
        mkdirSync(directoryOf("ricotta"), { recursive: true })
        writeFileSync(`${directoryOf("ricotta")}/operator.conf`, "[Service]\nNice=5\n")
        mkdirSync(directoryOf("caprino"), { recursive: true })
        writeFileSync(fileOf("caprino"), "[Service]\nNice=7\n")
        yield* converge(inputFor("quark", "ricotta"))
        assert.strictEqual(show("ricotta", "Nice"), "5")

        const { outcomes } = yield* converge(inputFor("quark", "caprino"))
        assert.match(JSON.stringify(outcomes.get("relay/caprino/drop-in")), /is not Patela's/)
        assert.strictEqual(readFileSync(fileOf("caprino"), "utf8"), "[Service]\nNice=7\n")
        assert.isFalse(existsSync(fileOf("ricotta")))
        assert.isTrue(existsSync(`${directoryOf("ricotta")}/operator.conf`))

        yield* converge(inputFor())
        assert.isFalse(existsSync(directoryOf("quark")))
        assert.strictEqual(readFileSync(fileOf("caprino"), "utf8"), "[Service]\nNice=7\n")
        assert.deepStrictEqual(yield* differing(inputFor()), [])
      })
    ), 120_000)

  it.live("finds nothing to do at 64 relays where nothing changed", () => {
    const names = Array.from({ length: 64 }, (_, index) => `quark${index}`)
    return withInstances(
      [],
      Effect.gen(function*() {
        const input = inputFor(...names)
        yield* (yield* DropIns.plan(input)).apply(() => true)
        for (let look = 0; look < 10; look++) assert.deepStrictEqual((yield* DropIns.plan(input)).changes, [])
        yield* (yield* DropIns.plan(inputFor())).apply(() => true)
        assert.isFalse(names.some((name) => existsSync(directoryOf(name))))
      })
    )
  }, 120_000)
})
