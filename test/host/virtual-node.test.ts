import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { writeFileSync } from "node:fs"
import { fault, type Mission } from "../src/mission/Mission.ts"
import { managementPath, seeRelay, seeRoot, sightOf } from "../src/mission/observe.ts"
import { otherTpmClient } from "../src/mission/otherTpmClient.ts"
import { type RelayOnRecord, relaysOnRecord } from "../src/mission/RelayOnRecord.ts"
import { VirtualMission } from "../src/mission/VirtualMission.ts"
import { waitingNode } from "../src/mission/waitingNode.ts"
import { TOOLS_RUN, watchedTools } from "../src/mission/watchedTools.ts"
import { links } from "../src/rig/Addresses.ts"
import type { Argv } from "../src/rig/Command.ts"
import { found, instead, waitFor } from "../src/rig/Deadline.ts"
import { TemporaryDirectory } from "../src/rig/TemporaryDirectory.ts"
import type { VirtualRig } from "../src/rig/VirtualRig.ts"

type VirtualMissionRuns = Mission<VirtualRig>

/** With settings and serial numbers of the machine, which its firmware measures into PCR 1; and without. */
const WITH_SETTINGS = "0,1,2,4,7"
const WITHOUT_SETTINGS = "0,2,4,7"

/** One mission for the tests of this file, which tell its story in order. */
class Story extends Context.Service<Story, VirtualMissionRuns>()("@patela/test/VirtualStory") {
  static readonly layer = Layer.effect(
    Story,
    Effect.gen(function*() {
      const entries = yield* fault(watchedTools)
      const told = [["policy", "pcr", "select", WITH_SETTINGS], ["policy", "pcr", "enforce", "warn"]]
      return yield* VirtualMission.make({ entries, told })
    })
  )
}

const RELAYS = 2
const MIB = 1024 * 1024

/** Emulated processors are slow, and the machine that emulates them may have other work. */
const SLOW = { within: "4 minutes", every: "1 second" } as const

/** For one test with a boot in it, milliseconds. */
const PATIENCE = 900_000

/** Waits until a program on the node writes what is right. */
const eventually = Effect.fnUntraced(function*(what: string, argv: Argv, right: (output: string) => boolean) {
  const { node } = yield* Story
  return yield* waitFor(
    what,
    Effect.map(node.exec(argv), ({ stderr, stdout }) => right(stdout) ? found(stdout) : instead(`${stdout}${stderr}`)),
    SLOW
  )
})

const journalSays = Effect.fnUntraced(function*(words: string) {
  const { agentJournal } = yield* Story
  const look = Effect.map(agentJournal, (text) => text.includes(words) ? found(undefined) : instead(text))
  yield* waitFor(`the agent to say "${words}"`, look, SLOW)
})

/** On time again, as this machine has it. */
const rightTime = Effect.gen(function*() {
  const { node } = yield* Story
  yield* node.execOk(["date", "--set", `@${(Date.now() / 1000).toFixed(3)}`])
})

const watchIsUp = eventually(
  "the watching agent to be ready",
  ["systemctl", "is-active", "patela-agent-watch.service"],
  (state) => state.trim() === "active"
)

/** Which starts of the relays these are: equal means that none was restarted. */
const starts = Effect.gen(function*() {
  const { node } = yield* Story
  return yield* node.execOk(["systemctl", "show", "--property=Id,InvocationID,MainPID", "tor@*"])
})

const settings = Effect.fnUntraced(function*(...names: ReadonlyArray<string>) {
  const { node } = yield* Story
  return (yield* node.execOk(["cat", ...names.map((name) => `/proc/sys/net/${name}`)])).trim().split("\n")
})

const limitsOf = Effect.fnUntraced(function*() {
  const relays = yield* relaysOnRecord(yield* Story)
  return ["cat", ...relays.map(({ name }) => `/sys/fs/cgroup/patela.slice/tor@${name}.service/memory.max`)] as const
})

const drift = Effect.fnUntraced(function*() {
  const mission = yield* Story
  const [relay] = yield* relaysOnRecord(mission)
  if (relay === undefined) return assert.fail("a relay")
  yield* mission.node.execOk(["ip", "address", "del", `${relay.ip_v4}/24`, "dev", links.relay])
  yield* eventually(
    `${relay.ip_v4} to be back`,
    ["ip", "-4", "address", "show", "dev", links.relay],
    (text) => text.includes(relay.ip_v4)
  )
})

const seeAll = Effect.fnUntraced(function*(record: ReadonlyArray<RelayOnRecord>) {
  const mission = yield* Story
  return yield* Effect.forEach(record, (relay) => seeRelay(mission, relay))
})

layer(Story.layer, { excludeTestServices: true, timeout: 600_000 })("a diskless virtual machine with a TPM", (it) => {
  it.effect("has a kernel of its own and a TPM device, and its agent waits for a person", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const { node } = mission
      yield* mission.rig.boot
      const words = ["printf", "%s.", "it's", "$HOME\n", "a  b", ""] as const
      assert.strictEqual(yield* node.execOk(words), "it's.$HOME\n.a  b..")
      const told = yield* node.exec(["sh", "-c", "cat; echo no >&2; exit 7"], { stdin: "what\ncame" })
      assert.deepStrictEqual(told, { exitCode: 7, stdout: "what\ncame", stderr: "no\n" })
      assert.strictEqual((yield* node.execOk(["id", "--user"], { user: 50_000 })).trim(), "50000")
      yield* journalSays("not yet enabled")
      assert.strictEqual((yield* waitingNode(mission)).id, 1)
      assert.strictEqual((yield* node.execOk(["findmnt", "--noheadings", "--output=FSTYPE", "/"])).trim(), "rootfs")
      assert.match(yield* node.execOk(["stat", "--format=%F %U", "/dev/tpmrm0"]), /^character special file tss$/m)
    }), PATIENCE)

  it.effect(
    "enabled, it makes its keys and saves them by the device itself, with another client that fills the TPM",
    () =>
      Effect.gen(function*() {
        const mission = yield* Story
        const { node } = mission
        const other = yield* otherTpmClient(node)
        yield* waitFor(
          "the other client's keys to be loaded",
          Effect.map(other.journal, (text) => text.includes("loaded 0 0 0") ? found(undefined) : instead(text)),
          SLOW
        )
        yield* mission.patela("node", "set", "1", "relays", String(RELAYS))
        yield* mission.patela("enable", "1")
        assert.strictEqual(yield* mission.agentUnitDone, "success", yield* mission.agentJournal)
        yield* watchIsUp
        const record = yield* relaysOnRecord(mission)
        assert.strictEqual(record.length, RELAYS)
        assert.deepStrictEqual(yield* seeAll(record), record.map(sightOf))
        assert.deepStrictEqual(yield* seeRoot(mission), managementPath)
        assert.strictEqual((yield* node.exec(["test", "-e", TOOLS_RUN])).exitCode, 1, "no tool was run")
        assert.include(yield* other.end, "still there 0 0 0")
        // An emulated node that has other work too may have no answer of the server's in time.
        yield* waitFor(
          "everything to be in sync",
          Effect.map(
            mission.agent("diff"),
            ({ exitCode, stderr, stdout }) =>
              exitCode === 0 && /in sync/i.test(stdout) ? found(undefined) : instead(`${stdout}${stderr}`)
          ),
          SLOW
        )
      }),
    PATIENCE
  )

  it.effect("its kernel has room for what relays do, and the link does not what it must not", () =>
    Effect.gen(function*() {
      const flows = String(RELAYS * 2 * 65_536)
      const conntrack = yield* settings("netfilter/nf_conntrack_max", "netfilter/nf_conntrack_buckets")
      assert.deepStrictEqual(conntrack, [flows, flows])
      const values = yield* settings("core/somaxconn", "ipv4/ip_local_port_range", `ipv6/conf/${links.relay}/accept_ra`)
      assert.deepStrictEqual(values, ["16384", "16384\t65535", "0"])
      const [reserved = ""] = yield* settings("ipv4/ip_local_reserved_ports")
      assert.match(reserved, /(^|,)10000-10511(,|$)/)
      assert.notInclude(yield* settings(`ipv4/conf/${links.relay}/rp_filter`, "ipv4/conf/all/rp_filter"), "1")
    }))

  it.effect("a limit of memory that is raised reaches the control groups of relays that run on", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const before = yield* starts
      yield* mission.patela("torrc", "set", "default", "MaxMemInQueues", "400 MB")
      const wanted = `${String((400 * 1.5 + 256) * MIB)}\n`.repeat(RELAYS)
      yield* eventually("the higher limit", yield* limitsOf(), (text) => text === wanted)
      assert.strictEqual(yield* starts, before)
    }))

  it.effect("its clock is set far ahead, behind and right again: relays run on, and so does what keeps them", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const { node } = mission
      const before = yield* starts
      for (const days of [400, -30]) {
        yield* node.execOk(["date", "--set", `${days} days`])
        yield* drift()
        assert.strictEqual(yield* starts, before)
      }
      yield* rightTime
      // What the server says is heard again, though no certificate of its was good meanwhile.
      yield* mission.patela("torrc", "set", "default", "MaxMemInQueues", "300 MB")
      const wanted = `${String((300 * 1.5 + 256) * MIB)}\n`.repeat(RELAYS)
      yield* eventually("the lower limit", yield* limitsOf(), (text) => text === wanted)
      assert.strictEqual(yield* starts, before)
    }))

  it.effect("what its firmware measured is learned, also by tpm2-tools, and with a clock that is hours ahead", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const { node, patela } = mission
      yield* patela("policy", "pcr", "learn", "1")
      yield* patela("policy", "pcr", "select", WITHOUT_SETTINGS)
      const before = yield* starts
      // Twenty hours from now the server's certificate is still good.
      yield* node.execOk(["date", "--set", "20 hours"])
      // A run without the token of the one before authenticates, and shows what is asked for now.
      yield* node.execOk(["rm", "/run/patela/token"])
      const byTools = yield* node.exec(["/opt/patela/patela-agent", "reconcile", "--wait", "0"], {
        env: { ...mission.environment, PATELA_TPM_TRANSPORT: "tools" },
        within: "6 minutes"
      })
      assert.strictEqual(byTools.exitCode, 0, `${byTools.stdout}${byTools.stderr}`)
      assert.strictEqual(
        yield* starts,
        before,
        "a run that begins at another time takes no relay for older than its files"
      )
      yield* rightTime
      const tools = yield* node.execOk(["cat", TOOLS_RUN])
      for (const tool of ["tpm2_activatecredential", "tpm2_quote", "tpm2_nvread"]) assert.include(tools, tool)
      yield* patela("policy", "pcr", "learn", "1")
      yield* patela("policy", "pcr", "select", WITH_SETTINGS)
      yield* patela("policy", "pcr", "enforce", "on")
    }))

  it.effect("its keys are bound to its image by the device too", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const { node, patela } = mission
      const key = `${yield* TemporaryDirectory.make("image-key")}/key.pem`
      const pem = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "pem", type: "pkcs8" })
      yield* Effect.sync(() => writeFileSync(key, pem, { mode: 0o600 }))
      // The kernel's own word, and not that of the agent.
      const values = yield* node.execOk(["cat", ...[12, 13, 14].map((pcr) => `/sys/class/tpm/tpm0/pcr-sha256/${pcr}`)])
      const [pcr12 = "", pcr13 = "", pcr14 = ""] = values.trim().toLowerCase().split("\n")
      const flags = ["--pcr12", pcr12, "--pcr13", pcr13, "--pcr14", pcr14]
      yield* patela("policy", "sign-image", "--key", key, ...flags)
      const closed = "for index in 0x01800820 0x01800821; do tpm2_nvread -C o -s 8 $index && exit; done; echo closed"
      yield* eventually(
        "the owner to be kept from the keys",
        ["bash", "-c", closed],
        (text) => text.endsWith("closed\n")
      )
    }).pipe(Effect.scoped))

  it.effect(
    "after a power cut, with another setting of its firmware, it is refused by PCR 1; without that, it is the same node",
    () =>
      Effect.gen(function*() {
        const mission = yield* Story
        const { node, patela, rig } = mission
        const before = yield* relaysOnRecord(mission)
        yield* rig.powerOff
        yield* node.refit(["-smbios", "type=1,serial=another"])
        yield* rig.boot
        yield* journalSays("PCR 1 of sha256 is")
        yield* patela("policy", "pcr", "enforce", "warn")
        yield* patela("policy", "pcr", "select", WITHOUT_SETTINGS)
        yield* patela("policy", "pcr", "enforce", "on")
        assert.strictEqual(yield* mission.agentUnitDone, "success", yield* mission.agentJournal)
        assert.deepStrictEqual(yield* relaysOnRecord(mission), before)
        assert.deepStrictEqual(yield* seeAll(before), before.map(sightOf))
      }),
    PATIENCE
  )
})
