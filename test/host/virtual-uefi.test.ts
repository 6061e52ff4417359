import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { type Mission } from "../src/mission/Mission.ts"
import { VirtualMission } from "../src/mission/VirtualMission.ts"
import { waitingNode } from "../src/mission/waitingNode.ts"
import { found, instead, waitFor } from "../src/rig/Deadline.ts"
import { uefi } from "../src/rig/VirtualFirmware.ts"
import type { VirtualRig } from "../src/rig/VirtualRig.ts"

/** One mission for the tests of this file, which tell its story in order. */
class Story extends Context.Service<Story, Mission<VirtualRig>>()("@patela/test/UnifiedStory") {
  static readonly layer = Layer.effect(
    Story,
    VirtualMission.make({ entries: [], told: [["policy", "pcr", "enforce", "warn"]], firmware: uefi })
  )
}

/** Emulated processors are slow, and the machine that emulates them may have other work. */
const SLOW = { within: "100 seconds", every: "1 second" } as const

/** For one test with a boot in it, milliseconds. */
const PATIENCE = 300_000

const journalSays = Effect.fnUntraced(function*(words: string) {
  const { agentJournal } = yield* Story
  const look = Effect.map(agentJournal, (text) => text.includes(words) ? found(undefined) : instead(text))
  yield* waitFor(`the agent to say "${words}"`, look, SLOW)
})

layer(Story.layer, { excludeTestServices: true, timeout: 180_000 })("a node that is booted by UEFI and systemd-stub", (it) => {
  it.effect("boots", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const { node } = mission
      console.log("boot", yield* mission.rig.boot)
      yield* journalSays("not yet enabled")
      console.log((yield* node.exec(["sh", "-c", "systemd-analyze; systemctl list-units 'systemd-pcrphase*'; for i in 4 11 12 13 14; do cat /sys/class/tpm/tpm0/pcr-sha256/$i; done; ls /sys/firmware/efi/efivars | grep Stub; free -m; systemctl is-system-running; systemctl --failed"])).stdout)
      yield* waitingNode(mission)
      yield* mission.patela("node", "set", "1", "relays", "1")
      yield* mission.patela("enable", "1")
      console.log("enabled", new Date())
      assert.strictEqual(yield* mission.agentUnitDone, "success", yield* mission.agentJournal)
      console.log("done", new Date())
      console.log(yield* mission.patela("policy", "pcr", "learn", "1"))
      console.log(yield* mission.patela("policy", "pcr", "enforce", "on"))
      console.log(yield* mission.patela("node", "show", "1", "--json"))
      console.log((yield* mission.agent("tpm", "status")).stdout)
    }), PATIENCE)
})
