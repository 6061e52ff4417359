import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Scope } from "effect"
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs"
import { management } from "../src/rig/Addresses.ts"
import { CertificateAuthority } from "../src/rig/CertificateAuthority.ts"
import { run, runOk } from "../src/rig/Command.ts"
import { found, instead, waitFor } from "../src/rig/Deadline.ts"
import { sweepLeftovers } from "../src/rig/Leftovers.ts"
import { Namespace } from "../src/rig/Namespace.ts"
import { nodeBinary, repositoryRoot } from "../src/rig/Repository.ts"
import { Rig } from "../src/rig/Rig.ts"

/** What a run of this process, or of the one named by the prefix, has in the kernel and the file system. */
const tracesOf = (prefix: string) => {
  const named = (folder: string) =>
    existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith(prefix)) : []
  const commandLines = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
      return words.includes(prefix) ? [words] : []
    } catch {
      return []
    }
  })
  return {
    namespaces: named("/run/netns"),
    temporary: named("/tmp"),
    propagation: named("/run/systemd/nspawn/propagate"),
    groups: [...named("/sys/fs/cgroup"), ...named("/sys/fs/cgroup/unified"), ...named("/sys/fs/cgroup/systemd")],
    mounts: readFileSync("/proc/self/mounts", "utf8").split("\n").filter((line) => line.includes(prefix)),
    processes: commandLines
  }
}

const nothing = { namespaces: [], temporary: [], propagation: [], groups: [], mounts: [], processes: [] }

describe("the rig's parts", () => {
  it.live("a certificate that TLS clients accept for its addresses and names, and a private key", () =>
    Effect.gen(function*() {
      const authority = yield* CertificateAuthority.make({
        addresses: [management.serverV4],
        names: ["patela.example"]
      })
      const verify = (...flags: ReadonlyArray<string>) =>
        run([
          "openssl",
          "verify",
          "-CAfile",
          authority.caCertificate,
          "-purpose",
          "sslserver",
          ...flags,
          authority.serverCertificate
        ])
      assert.strictEqual((yield* verify("-verify_ip", management.serverV4)).exitCode, 0)
      assert.strictEqual((yield* verify("-verify_hostname", "patela.example")).exitCode, 0)
      assert.notStrictEqual((yield* verify("-verify_ip", "192.0.2.9")).exitCode, 0)
      assert.strictEqual(statSync(authority.serverKey).mode & 0o777, 0o600)
    }))

  it.live("two nodes boot from one root at once and do not disturb each other", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([Rig.make({ hostname: "one" }), Rig.make({ hostname: "two" })], {
        concurrency: 2
      })
      yield* Effect.all([one.boot, two.boot], { concurrency: 2 })
      yield* one.powerOff
      assert.strictEqual((yield* two.node.execOk(["systemctl", "is-system-running"])).trim(), "running")
      assert.strictEqual((yield* two.node.execOk(["hostname"])).trim(), "two")
    }))

  it.live("a closed rig leaves nothing behind", () =>
    Effect.gen(function*() {
      const prefix = `patela-${process.pid}-`
      const before = yield* Effect.sync(() => tracesOf(prefix))
      assert.deepStrictEqual(before, nothing)
      const scope = yield* Scope.make()
      const rig = yield* Rig.make().pipe(Scope.provide(scope))
      yield* rig.boot
      const leader = yield* rig.node.leader
      const began = yield* Clock.currentTimeMillis
      const during = tracesOf(prefix)
      assert.lengthOf(during.namespaces, 2)
      assert.isAbove(during.processes.length, 0)
      assert.notStrictEqual(readlinkSync(`/proc/${leader}/ns/net`), readlinkSync("/proc/self/ns/net"))
      yield* Scope.close(scope, Exit.void)
      assert.isBelow((yield* Clock.currentTimeMillis) - began, 30_000)
      assert.deepStrictEqual(tracesOf(prefix), nothing)
      assert.isFalse(existsSync(`/proc/${leader}`))
    }))

  it.live("what a killed run leaves dies with it or is swept by the next", () =>
    Effect.gen(function*() {
      const script = `
        import { Effect } from "effect"
        import { Rig } from "${repositoryRoot}/test/src/rig/Rig.ts"
        await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
          const rig = yield* Rig.make()
          yield* rig.boot
          process.stdout.write("leader " + (yield* rig.node.leader) + "\\n")
          return yield* Effect.never
        })))`
      const child = spawn(nodeBinary, ["--input-type=module", "--eval", script], {
        cwd: `${repositoryRoot}/test`,
        stdio: ["ignore", "pipe", "inherit"]
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
      const leader = yield* Effect.callback<number, string>((resume) => {
        child.once("exit", (code) => resume(Effect.fail(`the other run ended early with status ${code}`)))
        child.stdout.on("data", (chunk: Buffer) => {
          const said = /leader (\d+)/.exec(chunk.toString("utf8"))
          if (said !== null) resume(Effect.succeed(Number(said[1])))
        })
      })
      const prefix = `patela-${child.pid}-`
      assert.lengthOf(tracesOf(prefix).namespaces, 2)
      child.kill("SIGKILL")
      yield* waitFor(
        "its processes to die with it",
        Effect.sync(() => {
          const { processes } = tracesOf(prefix)
          // As long as nobody took note of the killed run's end, its number is a living one's.
          return processes.length === 0 && child.signalCode !== null && !existsSync(`/proc/${leader}`)
            ? found(undefined)
            : instead(processes.join("\n"))
        })
      )
      yield* sweepLeftovers
      // Another file of the tier may be about to remove the same.
      yield* waitFor(
        "nothing of it to be left",
        Effect.sync(() => {
          const traces = JSON.stringify(tracesOf(prefix))
          return traces === JSON.stringify(nothing) ? found(undefined) : instead(traces)
        })
      )
    }))

  it.live("a namespace does not pass packets on and ends with its scope", () =>
    Effect.gen(function*() {
      const name = yield* Effect.scoped(Effect.map(Namespace.make("probe"), (namespace) => namespace.name))
      assert.notInclude(yield* runOk(["ip", "netns", "list"]), name)
    }))
})
