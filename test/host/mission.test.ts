import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import { availableParallelism } from "node:os"
import { footprint } from "../src/mission/footprint.ts"
import { Mission } from "../src/mission/Mission.ts"
import { managementPath, seeRelay, seeRoot } from "../src/mission/observe.ts"
import { relaysOnRecord } from "../src/mission/RelayOnRecord.ts"
import { waitingNode } from "../src/mission/waitingNode.ts"
import { links } from "../src/rig/Addresses.ts"
import type { Argv } from "../src/rig/Command.ts"
import { found, instead, waitFor } from "../src/rig/Deadline.ts"

/** One mission for the tests of this file, which tell its story in order. */
class Story extends Context.Service<Story, Mission>()("@patela/test/Story") {
  static readonly layer = Layer.effect(Story, Mission.make({ agentAtBoot: true }))
}

const RELAYS = 3

/** What `diff --json` prints, as far as these tests look at it. */
const PlanDocument = Schema.fromJsonString(Schema.Struct({
  version: Schema.Literal(1),
  changes: Schema.Array(Schema.Struct({ address: Schema.String, action: Schema.String, reason: Schema.String })),
  failures: Schema.Array(Schema.Struct({ address: Schema.String, message: Schema.String }))
}))

const changesShown = Effect.fnUntraced(function*() {
  const { agent } = yield* Story
  const { exitCode, stderr, stdout } = yield* agent("diff", "--json")
  const { changes, failures } = yield* Schema.decodeEffect(PlanDocument)(stdout || `{"error": "${stderr}"}`)
  return { exitCode, changes, failures }
})

const reconcile = Effect.fnUntraced(function*(exitCode: number) {
  const { agent } = yield* Story
  const result = yield* agent("reconcile", "--wait", "0")
  assert.strictEqual(result.exitCode, exitCode, `${result.stdout}${result.stderr}`)
  return result
})

const inSync = Effect.fnUntraced(function*() {
  const { agent } = yield* Story
  const diff = yield* agent("diff")
  assert.strictEqual(diff.exitCode, 0, `${diff.stdout}${diff.stderr}`)
})

layer(Story.layer, { excludeTestServices: true, timeout: 600_000 })("the mission", (it) => {
  it.effect("a node that nobody enabled is told to wait, and is listed", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      yield* mission.rig.boot
      assert.strictEqual((yield* waitingNode(mission)).id, 1)
      assert.match(yield* mission.agentJournal, /node 1 and not yet enabled.*patela enable 1.*trying again every 3s/)
    }))

  it.effect("enabled, it brings its relays up by itself", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      yield* mission.patela("node", "set", "1", "relays", String(RELAYS))
      yield* mission.patela("enable", "1")
      assert.strictEqual(yield* mission.agentUnitDone, "success", yield* mission.agentJournal)
      const record = yield* relaysOnRecord(mission)
      assert.strictEqual(record.length, RELAYS)
      for (const relay of record) {
        const seen = yield* seeRelay(mission, relay)
        assert.strictEqual(seen.unit, "active")
        assert.strictEqual(seen.rsa, relay.fingerprint?.rsa)
        assert.strictEqual(seen.ed25519, relay.fingerprint?.ed25519)
        assert.strictEqual(seen.sourceV4, relay.ip_v4)
        assert.strictEqual(seen.sourceV6, relay.ip_v6)
      }
      assert.deepStrictEqual(yield* seeRoot(mission), managementPath)
      yield* inSync()
    }))

  it.effect("a second pass writes nothing", () =>
    Effect.gen(function*() {
      const before = yield* footprint(yield* Story)
      const { stderr, stdout } = yield* reconcile(0)
      assert.deepStrictEqual(yield* footprint(yield* Story), before)
      assert.strictEqual(`${stdout}${stderr}`, "", "and says nothing")
    }))

  it.effect("each relay runs in its place and its sandbox, and the kernel has room for what relays do", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const { node } = mission
      for (const { name, slot } of yield* relaysOnRecord(mission)) {
        const properties = "--property=ControlGroup,CPUAffinity,ProtectKernelTunables,MemoryDenyWriteExecute"
        const shown = (yield* node.execOk(["systemctl", "show", properties, `tor@${name}`])).trim().split("\n").sort()
        assert.deepStrictEqual(shown, [
          `CPUAffinity=${slot % availableParallelism()}`,
          `ControlGroup=/patela.slice/tor@${name}.service`,
          "MemoryDenyWriteExecute=yes",
          "ProtectKernelTunables=yes"
        ])
      }
      const settings = ["core/somaxconn", "ipv4/ip_local_port_range", `ipv6/conf/${links.relay}/accept_ra`]
      const values = yield* node.execOk(["cat", ...settings.map((name) => `/proc/sys/net/${name}`)])
      assert.deepStrictEqual(values.trim().split("\n"), ["16384", "16384\t65535", "0"])
    }))

  it.effect("drift by hand is shown by diff and repaired by reconcile, and what is not Patela's survives", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const { node } = mission
      const [first, second, third] = yield* relaysOnRecord(mission)
      if (first === undefined || second === undefined || third === undefined) return assert.fail("three relays")
      yield* Effect.forEach(
        [
          ["nft", "add", "table", "inet", "foreign"],
          ["nft", "add", "chain", "inet", "foreign", "keep", "{ comment \"not Patela's\"; }"],
          ["ip", "address", "add", "198.51.100.250/32", "dev", links.management],
          ["ip", "address", "add", "203.0.113.77/32", "dev", links.relay],
          ["useradd", "--system", "--no-create-home", "_tor-foreign"]
        ] satisfies ReadonlyArray<Argv>,
        (argv) => node.execOk(argv)
      )
      yield* inSync()

      const cases: ReadonlyArray<readonly [what: string, address: RegExp, ...break: ReadonlyArray<Argv>]> = [
        ["address", new RegExp(`^relay/${first.name}/address-v4$`), [
          "ip",
          "address",
          "del",
          `${first.ip_v4}/24`,
          "dev",
          links.relay
        ]],
        ["nft table", /source-nat$/, ["nft", "delete", "table", "inet", "patela"]],
        ["torrc", new RegExp(`^relay/${second.name}/torrc$`), [
          "sh",
          "-c",
          `echo 'ContactInfo somebody else' >> /etc/tor/instances/${second.name}/torrc`
        ]],
        ["drop-in", new RegExp(`^relay/${second.name}/drop-in$`), [
          "rm",
          `/run/systemd/system/tor@${second.name}.service.d/patela.conf`
        ]],
        ["kernel setting", /^node\/kernel-settings$/, ["sh", "-c", "echo 128 > /proc/sys/net/core/somaxconn"]],
        ["unit", new RegExp(`^relay/${third.name}/unit$`), ["systemctl", "stop", `tor@${third.name}`]],
        ["file mode", new RegExp(`^relay/${first.name}/directories$`), [
          "chmod",
          "0777",
          `/var/lib/tor-instances/${first.name}`
        ]]
      ]
      for (const [what, address, ...breaks] of cases) {
        for (const argv of breaks) yield* node.execOk(argv, { within: "90 seconds" })
        const { changes, exitCode } = yield* changesShown()
        assert.strictEqual(exitCode, 2, what)
        const shown = changes.find((change) => address.test(change.address))
        assert.isDefined(shown, `${what}: ${JSON.stringify(changes)}`)
        assert.strictEqual(shown?.reason, "drift", what)
        yield* reconcile(0)
        yield* inSync()
      }
      assert.match(yield* node.execOk(["nft", "list", "table", "inet", "foreign"]), /chain keep/)
      assert.match(
        yield* node.execOk(["ip", "-4", "address", "show", "dev", links.management]),
        /198\.51\.100\.250\/32/
      )
      assert.match(yield* node.execOk(["ip", "-4", "address", "show", "dev", links.relay]), /203\.0\.113\.77\/32/)
      assert.match(yield* node.execOk(["getent", "passwd", "_tor-foreign"]), /^_tor-foreign/)
      for (const relay of [first, second, third]) assert.strictEqual((yield* seeRelay(mission, relay)).unit, "active")
    }))

  it.effect("one relay whose unit cannot start leaves the others running, and the exit code says so", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const { node } = mission
      const [first, ...others] = yield* relaysOnRecord(mission)
      if (first === undefined) return assert.fail("a relay")
      const dropIn = `/run/systemd/system/tor@${first.name}.service.d`
      yield* node.execOk(["mkdir", "--parents", dropIn])
      yield* node.execOk(["tee", `${dropIn}/broken.conf`], { stdin: "[Service]\nExecStartPre=/bin/false\n" })
      yield* node.execOk(["systemctl", "daemon-reload"])
      yield* node.execOk(["systemctl", "stop", `tor@${first.name}`, `tor@${others[0]?.name ?? ""}`], {
        within: "90 seconds"
      })
      const { stderr } = yield* reconcile(3)
      assert.include(stderr, `relay/${first.name}/unit`)
      assert.include(stderr, `journalctl -u tor@${first.name}`)
      for (const relay of others) assert.strictEqual((yield* seeRelay(mission, relay)).unit, "active")
      yield* node.execOk(["rm", "--recursive", dropIn])
      yield* node.execOk(["systemctl", "daemon-reload"])
      yield* reconcile(0)
      yield* inSync()
    }))

  it.effect("with the server away it says so and tries again; with the TPM away it says that", () =>
    Effect.gen(function*() {
      const { agent, rig, server } = yield* Story
      yield* server.kill
      const began = Date.now()
      const away = yield* agent("reconcile", "--wait", "4")
      assert.strictEqual(away.exitCode, 1)
      assert.isAtLeast(Date.now() - began, 3000)
      assert.match(away.stderr, /no answer from the server.*trying again/)
      yield* server.start
      yield* rig.tpm.powerOff
      const noTpm = yield* agent("reconcile", "--wait", "0")
      assert.strictEqual(noTpm.exitCode, 1)
      assert.match(noTpm.stderr, /TPM/)
      yield* rig.tpm.powerOn
      yield* reconcile(0)
    }))

  it.effect("a disabled node is refused at once, and its relays stay as they are", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      yield* mission.patela("node", "disable", "1")
      const refused = yield* mission.agent("reconcile", "--wait", "0")
      assert.strictEqual(refused.exitCode, 1)
      for (const relay of yield* relaysOnRecord(mission)) {
        assert.strictEqual((yield* seeRelay(mission, relay)).unit, "active")
      }
      yield* mission.patela("enable", "1")
      yield* reconcile(0)
    }))

  it.effect("the watch unit puts a stopped relay right by itself, also while the server is away", () =>
    Effect.gen(function*() {
      const { node, server } = yield* Story
      const [first] = yield* relaysOnRecord(yield* Story)
      const unit = `tor@${first?.name ?? ""}`
      const isActive = (name: string) =>
        waitFor(
          `${name} to be active`,
          Effect.gen(function*() {
            const state = (yield* node.exec(["systemctl", "is-active", name])).stdout.trim()
            return state === "active" ? found(undefined) : instead(state)
          }),
          { within: "2 minutes", every: "100 millis" }
        )
      yield* node.execOk(["systemctl", "start", "patela-agent-watch.service"])
      // The agent may cancel the stop itself, for what it sees is a relay that should run: systemctl's status is no matter.
      yield* node.exec(["systemctl", "stop", unit], { within: "90 seconds" })
      yield* isActive(unit)
      yield* server.kill
      yield* node.exec(["systemctl", "stop", unit], { within: "90 seconds" })
      yield* isActive(unit)
      yield* server.start
      yield* node.execOk(["systemctl", "stop", "patela-agent-watch.service"])
      const { stdout } = yield* node.exec(["systemctl", "show", "--property=Result", "patela-agent-watch.service"])
      assert.strictEqual(stdout.trim(), "Result=success")
      yield* inSync()
    }))

  it.effect("after a power cut and on a blank root it is the same node, with the same relays", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const before = yield* Effect.forEach(yield* relaysOnRecord(mission), (relay) => seeRelay(mission, relay))
      yield* mission.rig.powerOff
      yield* mission.rig.boot
      assert.strictEqual(yield* mission.agentUnitDone, "success", yield* mission.agentJournal)
      const after = yield* Effect.forEach(yield* relaysOnRecord(mission), (relay) => seeRelay(mission, relay))
      assert.deepStrictEqual(after, before)
      assert.match((yield* mission.server.lines).join("\n"), /node 1 authenticated: 200/)
      yield* inSync()
    }))

  it.effect(
    "the agent killed at any point of a first run on a blank root converges on the next",
    () =>
      Effect.gen(function*() {
        const mission = yield* Story
        const before = yield* Effect.forEach(yield* relaysOnRecord(mission), (relay) => seeRelay(mission, relay))
        for (const millis of [250, 700, 1100, 1600]) {
          yield* mission.rig.powerOff
          yield* mission.rig.boot
          yield* mission.node.execOk(["systemctl", "kill", "--signal=KILL", "patela-agent.service"])
          yield* mission.node.exec(["systemctl", "stop", "patela-agent.service"])
          yield* Effect.scoped(Effect.gen(function*() {
            const run = yield* mission.node.start(["/opt/patela/patela-agent", "reconcile", "--wait", "0"], {
              env: mission.environment
            })
            yield* Effect.sleep(millis)
            yield* run.end("SIGKILL")
          }))
          yield* reconcile(0)
          yield* inSync()
        }
        const after = yield* Effect.forEach(yield* relaysOnRecord(mission), (relay) => seeRelay(mission, relay))
        assert.deepStrictEqual(after, before)
      })
  )
})
