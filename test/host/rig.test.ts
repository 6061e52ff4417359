import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { beyond, links, management, relayNetwork } from "../src/rig/Addresses.ts"
import { run, runOk } from "../src/rig/Command.ts"
import { found, ifSome, instead, waitFor } from "../src/rig/Deadline.ts"
import { Rig } from "../src/rig/Rig.ts"
import { nodeTcti } from "../src/rig/Swtpm.ts"

class TestRig extends Context.Service<TestRig, Rig & { readonly bootMillis: number }>()("@patela/test/host/TestRig") {
  static readonly layer = Layer.effect(
    TestRig,
    Effect.gen(function*() {
      const rig = yield* Rig.make({ hostname: "toma" })
      return TestRig.of({ ...rig, bootMillis: yield* rig.boot })
    })
  )
}

const tpm = { env: { TPM2TOOLS_TCTI: nodeTcti } }

/** A TCP connection by bash itself, which every Debian root has; it reads the greeting of the source observer. */
const connect = (address: string, port: number, seconds = 30) =>
  [
    "timeout",
    String(seconds),
    "bash",
    "-c",
    `exec 3<>"/dev/tcp/$1/$2" && read -r line <&3 && echo "$line"`,
    "c",
    address,
    String(port)
  ] as const

layer(TestRig.layer, { excludeTestServices: true, timeout: 600_000 })("a booted rig", (it) => {
  it.effect("has systemd as PID 1, up in seconds", () =>
    Effect.gen(function*() {
      const { node, bootMillis } = yield* TestRig
      assert.strictEqual((yield* node.execOk(["systemctl", "is-system-running"])).trim(), "running")
      assert.match(yield* node.execOk(["readlink", "/proc/1/exe"]), /systemd$/m)
      assert.strictEqual((yield* node.execOk(["hostname"])).trim(), "toma")
      assert.isBelow(bootMillis, 30_000)
    }))

  it.effect("has a message bus that answers", () =>
    Effect.gen(function*() {
      const { node } = yield* TestRig
      assert.include(yield* node.execOk(["busctl", "list", "--no-pager"]), "org.freedesktop.systemd1")
    }))

  it.effect("has nftables of its own", () =>
    Effect.gen(function*() {
      const { node } = yield* TestRig
      assert.strictEqual(yield* node.execOk(["nft", "list", "ruleset"]), "")
      yield* node.execOk(["nft", "add", "table", "inet", "probe"])
      assert.include(yield* node.execOk(["nft", "list", "ruleset"]), "table inet probe")
      assert.notInclude((yield* run(["nft", "list", "ruleset"])).stdout, "table inet probe")
      yield* node.execOk(["nft", "delete", "table", "inet", "probe"])
    }))

  it.effect("runs an instance of tor, and no other tor", () =>
    Effect.gen(function*() {
      const { node } = yield* TestRig
      assert.match(yield* node.execOk(["tor", "--version"]), /^Tor version 0\.4\.\d+/)
      assert.strictEqual(
        (yield* node.exec(["systemctl", "is-active", "tor.service", "tor@default.service"])).stdout,
        "inactive\ninactive\n"
      )
      yield* node.execOk(["tor-instance-create", "probe"])
      yield* node.execOk(["tee", "/etc/tor/instances/probe/torrc"], {
        stdin: "SocksPort 0\nORPort 127.0.0.1:9001\nDisableNetwork 1\n"
      })
      yield* node.execOk(["systemctl", "start", "tor@probe"])
      assert.strictEqual((yield* node.execOk(["systemctl", "is-active", "tor@probe"])).trim(), "active")
      yield* node.execOk(["systemctl", "kill", "--signal=SIGTERM", "tor@probe"])
    }))

  it.effect("has a TPM that answers", () =>
    Effect.gen(function*() {
      const { node } = yield* TestRig
      assert.match(yield* node.execOk(["tpm2_getrandom", "--hex", "8"], tpm), /^[0-9a-f]{16}$/)
      assert.include(yield* node.execOk(["tpm2_getcap", "properties-fixed"], tpm), "TPM2_PT_MANUFACTURER")
    }))

  it.effect("gives programs only the environment, input and user they were given", () =>
    Effect.gen(function*() {
      const { node } = yield* TestRig
      const env = yield* node.execOk(["env"], { env: { GIVEN: "1" } })
      assert.sameMembers(env.trim().split("\n").map((line) => line.split("=")[0]), ["PATH", "HOME", "LANG", "GIVEN"])
      assert.strictEqual(yield* node.execOk(["cat"], { stdin: "héllo" }), "héllo")
      assert.strictEqual((yield* node.execOk(["id", "-u"], { user: 50_001 })).trim(), "50001")
      assert.strictEqual((yield* node.exec(["sh", "-c", "exit 3"])).exitCode, 3)
      const slow = yield* Effect.flip(node.exec(["sleep", "61"], { within: "100 millis" }))
      assert.strictEqual(slow._tag, "CommandTooSlow")
      yield* waitFor(
        "the late program to be gone from the node",
        Effect.map(
          node.exec(["bash", "-c", "cat /proc/[0-9]*/cmdline"]),
          ({ stdout }) => stdout.includes("sleep\u000061") ? instead("it sleeps on") : found(undefined)
        )
      )
    }))

  it.effect("joins exactly two namespaces, and no cable has an end in the machine's own", () =>
    Effect.gen(function*() {
      const { node, server, far } = yield* TestRig
      const names = (output: string) => output.trim().split("\n").map((line) => line.split(/[\s@]/)[0])
      assert.sameMembers(names(yield* node.execOk(["ip", "-br", "link"])), ["lo", links.management, links.relay])
      for (const side of [server, far]) {
        assert.sameMembers(names(yield* side.namespace.execOk(["ip", "-br", "link"])), ["lo", "nodes", "port1"])
        assert.strictEqual(yield* side.namespace.execOk(["ip", "route", "show", "default"]), "")
        assert.strictEqual((yield* side.namespace.execOk(["cat", "/proc/sys/net/ipv4/ip_forward"])).trim(), "0")
      }
      assert.notInclude(yield* runOk(["ip", "-br", "link"]), links.management)
      assert.strictEqual(yield* node.execOk(["ip", "-br", "-4", "address", "show", "dev", links.relay]), "")
    }))

  it.effect("reaches the management network, and nothing of the machine outside", () =>
    Effect.gen(function*() {
      const { node, server } = yield* TestRig
      assert.strictEqual(yield* node.execOk(connect(management.serverV4, 443)), "seen\n")
      assert.strictEqual(yield* node.execOk(connect(management.serverV6, 443)), "seen\n")
      for (const source of [management.nodeV4, management.nodeV6]) {
        yield* server.observer.sighting(`a connection from ${source}`, (seen) => seen.remoteAddress === source)
      }
      const mine =
        (yield* runOk(["ip", "-br", "-4", "address", "show", "scope", "global"])).match(/\d+\.\d+\.\d+\.\d+/g) ?? []
      yield* Effect.forEach([...mine, "192.0.2.77"], (address) =>
        Effect.map(node.exec(connect(address, 22, 1)), ({ exitCode }) =>
          assert.notStrictEqual(exitCode, 0, `${address} answered`)), { concurrency: "unbounded" })
    }))

  it.effect("sees by which link and from which address a connection left", () =>
    Effect.gen(function*() {
      const { node, server, far } = yield* TestRig
      yield* node.execOk(connect(beyond.v4, 9001))
      yield* node.execOk(connect(beyond.v6, 9001))
      for (const [source, destination] of [[management.nodeV4, beyond.v4], [management.nodeV6, beyond.v6]]) {
        yield* server.observer.sighting(
          `${source} at the management side`,
          (seen) => seen.port === 9001 && seen.remoteAddress === source && seen.localAddress === destination
        )
      }
      assert.deepStrictEqual(yield* far.observer.seen, [])

      yield* node.execOk(["ip", "-batch", "-"], {
        stdin: [
          `link set ${links.relay} up`,
          `address add ${relayNetwork.firstV4}/24 dev ${links.relay}`,
          `address add ${relayNetwork.firstV6}/64 dev ${links.relay} nodad`,
          `route add ${beyond.v4} via ${relayNetwork.gatewayV4}`,
          `route add ${beyond.v6} via ${relayNetwork.gatewayV6}`,
          ""
        ].join("\n")
      })
      yield* node.execOk(connect(beyond.v4, 80))
      yield* node.execOk(connect(beyond.v6, 80))
      for (const [source, destination] of [[relayNetwork.firstV4, beyond.v4], [relayNetwork.firstV6, beyond.v6]]) {
        yield* far.observer.sighting(
          `${source} at the far side`,
          (seen) => seen.port === 80 && seen.remoteAddress === source && seen.localAddress === destination
        )
      }
      assert.isFalse((yield* server.observer.seen).some((seen) => seen.port === 80))
    }))

  it.effect("comes back blank from a power cut, with the same TPM", () =>
    Effect.gen(function*() {
      const { node, boot, powerOff } = yield* TestRig
      const index = "0x01800001"
      yield* node.execOk(["tpm2_nvdefine", index, "-C", "o", "-s", "8", "-a", "ownerread|ownerwrite"], tpm)
      yield* node.execOk(["tpm2_nvwrite", index, "-C", "o", "-i", "-"], { ...tpm, stdin: "toma1234" })
      yield* node.execOk(["touch", "/etc/written", "/var/lib/written"])
      const bootId = (yield* node.execOk(["cat", "/proc/sys/kernel/random/boot_id"])).trim()
      const ended = yield* node.start(["sleep", "1000"])

      yield* powerOff
      assert.strictEqual((yield* Effect.flip(node.exec(["true"])))._tag, "NodeIsOff")
      // It has ended with its node; that this process is told of it may take a moment more.
      yield* waitFor("the node's program to end", Effect.map(ended.ended, (end) => ifSome(end, "it runs")))

      assert.isBelow(yield* boot, 30_000)
      assert.notStrictEqual((yield* node.execOk(["cat", "/proc/sys/kernel/random/boot_id"])).trim(), bootId)
      for (const path of ["/etc/written", "/var/lib/written", "/etc/tor/instances/probe"]) {
        assert.strictEqual((yield* node.exec(["test", "-e", path])).exitCode, 1, `${path} survived`)
      }
      assert.strictEqual(yield* node.execOk(["tpm2_nvread", index, "-C", "o", "-s", "8"], tpm), "toma1234")
      assert.strictEqual(yield* node.execOk(connect(management.serverV4, 443)), "seen\n")
      yield* node.execOk(["tpm2_nvundefine", index, "-C", "o"], tpm)
    }))
})
