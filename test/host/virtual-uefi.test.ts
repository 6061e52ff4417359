import { assert, layer } from "@effect/vitest"
import { decodeEventLog, type EventLog } from "@patela/tpm/eventlog/EventLog"
import { replayEventLog } from "@patela/tpm/eventlog/replayEventLog"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { Context, Effect, Layer } from "effect"
import { createHash, generateKeyPairSync } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { isDeepStrictEqual } from "node:util"
import type { Mission } from "../src/mission/Mission.ts"
import { seeRelay, sightOf } from "../src/mission/observe.ts"
import { relaysOnRecord } from "../src/mission/RelayOnRecord.ts"
import { VirtualMission } from "../src/mission/VirtualMission.ts"
import { waitingNode } from "../src/mission/waitingNode.ts"
import { found, instead, waitFor } from "../src/rig/Deadline.ts"
import { TemporaryDirectory } from "../src/rig/TemporaryDirectory.ts"
import { uefi } from "../src/rig/VirtualFirmware.ts"
import type { VirtualRig } from "../src/rig/VirtualRig.ts"

/** One mission for the tests of this file, which tell its story in order; and a folder for what a person keeps. */
class Story extends Context.Service<Story, Mission<VirtualRig> & { readonly folder: string }>()(
  "@patela/test/UnifiedStory"
) {
  static readonly layer = Layer.effect(
    Story,
    Effect.gen(function*() {
      const told = [["policy", "pcr", "enforce", "warn"]]
      const mission = yield* VirtualMission.make({ entries: [], told, firmware: uefi })
      const folder = yield* TemporaryDirectory.make("operator")
      const pem = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "pem", type: "pkcs8" })
      yield* Effect.sync(() => writeFileSync(`${folder}/key.pem`, pem, { mode: 0o600 }))
      return { ...mission, folder }
    })
  )
}

/** Emulated processors are slow, and the machine that emulates them may have other work. */
const SLOW = { within: "4 minutes", every: "1 second" } as const

/** For one test with a boot in it, milliseconds. */
const PATIENCE = 600_000

const UNMEASURED = "0".repeat(64)

/** Succeeds where the owner may read one of the two slots of the key store. */
const OWNER_READS = [
  "bash",
  "-c",
  "for index in 0x01800820 0x01800821; do tpm2_nvread -C o -s 8 $index && exit; done; exit 1"
] as const

const journalSays = Effect.fnUntraced(function*(words: string) {
  const { agentJournal } = yield* Story
  const look = Effect.map(agentJournal, (text) => text.includes(words) ? found(text) : instead(text))
  return yield* waitFor(`the agent to say "${words}"`, look, SLOW)
})

/** The kernel's own word of PCRs of SHA-256, and not that of the agent. */
const pcrs = Effect.fnUntraced(function*(...numbers: ReadonlyArray<number>) {
  const { node } = yield* Story
  const text = yield* node.execOk(["cat", ...numbers.map((pcr) => `/sys/class/tpm/tpm0/pcr-sha256/${pcr}`)])
  return text.trim().toLowerCase().split("\n")
})

/** Arguments of `patela policy sign-image` for what is booted now. */
const approvable = Effect.fnUntraced(function*(...numbers: ReadonlyArray<number>) {
  const values = yield* pcrs(...numbers)
  return numbers.flatMap((pcr, at) => [`--pcr${pcr}`, values[at] ?? ""])
})

const sign = Effect.fnUntraced(function*(flags: ReadonlyArray<string>) {
  const { folder, server } = yield* Story
  return yield* server.cli(["policy", "sign-image", "--key", `${folder}/key.pem`, ...flags])
})

/** The event log that the server has of the node. */
const shownLog = Effect.gen(function*() {
  const { folder, patela } = yield* Story
  yield* patela("policy", "pcr", "log", "1", `${folder}/log`)
  return yield* Effect.fromResult(decodeEventLog(new Uint8Array(readFileSync(`${folder}/log`))))
})

const leadsTo = Effect.fnUntraced(function*(log: EventLog, ...numbers: ReadonlyArray<number>) {
  const values = (yield* Effect.fromResult(replayEventLog(log, Algorithm.sha256))).get(Algorithm.sha256)
  return numbers.map((pcr) => Buffer.from(values?.get(pcr) ?? []).toString("hex"))
})

/** What a PCR is after these words were measured into it too. */
const extended = (value: string, ...words: ReadonlyArray<string | Uint8Array>): string =>
  words.reduce<string>((before, word) => {
    const digest = createHash("sha256").update(word).digest()
    return createHash("sha256").update(Buffer.concat([Buffer.from(before, "hex"), digest])).digest("hex")
  }, value)

/** The relays run, as the server has them on record. */
const relaysRun = Effect.gen(function*() {
  const mission = yield* Story
  for (const relay of yield* relaysOnRecord(mission)) {
    assert.deepStrictEqual(yield* seeRelay(mission, relay), sightOf(relay))
  }
})

const boot = Effect.fnUntraced(function*(...words: ReadonlyArray<string>) {
  const { rig } = yield* Story
  yield* rig.powerOff
  yield* rig.node.reimage(...words)
  yield* rig.boot
})

layer(Story.layer, { excludeTestServices: true, timeout: 300_000 })(
  "a node that is booted by UEFI and systemd-stub",
  (it) => {
    it.effect(
      "shows what firmware, stub and kernel measured, and the log of all three leads there",
      () =>
        Effect.gen(function*() {
          const mission = yield* Story
          yield* mission.rig.boot
          yield* journalSays("not yet enabled")
          yield* waitingNode(mission)
          yield* mission.patela("node", "set", "1", "relays", "1")
          yield* mission.patela("enable", "1")
          assert.strictEqual(yield* mission.agentUnitDone, "success", yield* mission.agentJournal)
          const log = yield* shownLog
          const measured = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15]
          assert.deepStrictEqual(yield* pcrs(...measured), yield* leadsTo(log, ...measured))
          // Each section twice: its name and what is in it.
          const words = log.events.filter(({ pcr }) => pcr === 11).map(({ data }) =>
            Buffer.from(data).toString("utf16le").replace("\0", "")
          )
          assert.deepStrictEqual(words, [".linux", ".osrel", ".cmdline", ".initrd"].flatMap((name) => [name, name]))
          // systemd goes on, by words for the phases of its boot that no firmware's log has.
          const [replayed = ""] = yield* leadsTo(log, 11)
          const phases = extended(replayed, "sysinit", "ready")
          yield* waitFor(
            "systemd to measure the last phase of its boot",
            Effect.map(pcrs(11), ([value]) => value === phases ? found(undefined) : instead(`PCR 11: ${value}`)),
            SLOW
          )
          // A plain image is given nothing, and what it is itself is not measured there.
          assert.deepStrictEqual(yield* pcrs(12, 13, 14), [UNMEASURED, UNMEASURED, UNMEASURED])
        }),
      PATIENCE
    )

    it.effect(
      "is refused by PCR 11, where systemd goes on and no log does; what it booted is learned without",
      () =>
        Effect.gen(function*() {
          const { agent, node, patela } = yield* Story
          yield* patela("policy", "pcr", "learn", "1")
          assert.include(yield* patela("policy", "pcr", "select", "4,11"), "PCR 10 and 11 go on being extended")
          // A run without the token of the one before authenticates, and shows what is asked for now.
          yield* node.execOk(["rm", "/run/patela/token"])
          const { stderr, stdout } = yield* agent("reconcile", "--wait", "0")
          assert.match(`${stdout}${stderr}`, /The event log leads to [0-9a-f]{64} in PCR 11 of sha256/)
          yield* patela("policy", "pcr", "select", "0,2,4,7,12,13,14")
          yield* patela("policy", "pcr", "enforce", "on")
        }),
      PATIENCE
    )

    it.effect(
      "has its keys bound to its image by PCR 4; by 12, 13 and 14, which are zero, none are approved",
      () =>
        Effect.gen(function*() {
          const { node } = yield* Story
          assert.strictEqual((yield* node.exec(OWNER_READS)).exitCode, 0)
          const refused = yield* sign(yield* approvable(12, 13, 14))
          assert.strictEqual(refused.exitCode, 1)
          assert.include(refused.stderr, "whatever is booted would open the keys")
          const approved = yield* sign(yield* approvable(4, 12, 13, 14))
          assert.deepStrictEqual([approved.exitCode, approved.stderr], [0, ""])
          yield* waitFor(
            "the owner to be kept from the keys",
            Effect.map(
              node.exec(OWNER_READS),
              ({ exitCode, stderr, stdout }) => exitCode === 0 ? instead(stdout) : found(stderr)
            ),
            SLOW
          )
        }),
      PATIENCE
    )

    it.effect(
      "with another image, and a command line of its loader's, is refused by PCR 4, and has its keys once they are approved",
      () =>
        Effect.gen(function*() {
          const mission = yield* Story
          const before = yield* relaysOnRecord(mission)
          const line = `${(yield* mission.node.execOk(["cat", "/proc/cmdline"])).trim()} patela.loader=1`
          yield* mission.node.refit(["-append", line])
          yield* boot("patela.test=another")
          yield* journalSays("PCR 4 of sha256 is")
          // Without Secure Boot the stub takes the loader's for its own, and measures it as UEFI has it.
          assert.strictEqual((yield* mission.node.execOk(["cat", "/proc/cmdline"])).trim(), line)
          assert.deepStrictEqual(yield* pcrs(12), [extended(UNMEASURED, Buffer.from(`${line}\0`, "utf16le"))])
          yield* mission.patela("policy", "pcr", "learn", "1")
          // The command that the agent says is the one that opens them.
          const said = yield* journalSays("patela policy sign-image --key FILE --pcr4")
          const [, flags = ""] = /sign-image --key FILE((?: --pcr\d+ [0-9a-f]{64})+)/.exec(said) ?? []
          assert.deepStrictEqual(flags.trim().split(" "), yield* approvable(4, 12, 13, 14))
          const [relay] = before
          assert.notStrictEqual(
            (yield* mission.node.exec(["systemctl", "is-active", `tor@${relay?.name}`])).exitCode,
            0
          )
          assert.strictEqual((yield* sign(flags.trim().split(" "))).exitCode, 0)
          // The node goes on by itself.
          yield* waitFor(
            "the relays to be as they were",
            Effect.map(
              relaysOnRecord(mission),
              (now) => isDeepStrictEqual(now, before) ? found(undefined) : instead(JSON.stringify(now))
            ),
            SLOW
          )
          yield* relaysRun
        }),
      PATIENCE
    )

    it.effect(
      "with the first image again, after a power cut, it is let in and has its keys by itself",
      () =>
        Effect.gen(function*() {
          const mission = yield* Story
          const before = yield* relaysOnRecord(mission)
          yield* mission.node.refit([])
          yield* boot()
          assert.strictEqual(yield* mission.agentUnitDone, "success", yield* mission.agentJournal)
          assert.deepStrictEqual(yield* relaysOnRecord(mission), before)
          yield* relaysRun
        }),
      PATIENCE
    )
  }
)
