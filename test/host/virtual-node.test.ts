import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { Mission } from "../src/mission/Mission.ts"
import { VirtualMission } from "../src/mission/VirtualMission.ts"
import { waitingNode } from "../src/mission/waitingNode.ts"
import type { VirtualRig } from "../src/rig/VirtualRig.ts"

/** One mission for the tests of this file, which tell its story in order. */
class Story extends Context.Service<Story, Mission<VirtualRig>>()("@patela/test/VirtualStory") {
  static readonly layer = Layer.effect(Story, VirtualMission.make({ entries: [] }))
}

layer(Story.layer, { excludeTestServices: true, timeout: 180_000 })("a diskless virtual machine with a TPM", (it) => {
  it.effect("shows the kernel's TPM device, and its agent waits for a person", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const millis = yield* mission.rig.boot
      console.log("boot", millis)
      assert.match(yield* mission.node.execOk(["ls", "-l", "/dev/tpmrm0"]), /^crw/)
      assert.strictEqual((yield* waitingNode(mission)).id, 1)
    }))
})
