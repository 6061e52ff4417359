import { assert, describe, it } from "@effect/vitest"
import { goodConfig } from "@patela/agent/pass/recoverTrial"
import { Option } from "effect"
import { memoryInput } from "./MemoryKinds.ts"

const { config: tried } = memoryInput([["toma", "cut"]])
const { config: good } = memoryInput([["toma", "a"]])

describe("after an agent was killed in a trial", () => {
  it("the node goes back to the last good configuration", () => {
    assert.strictEqual(goodConfig(tried, Option.some(good)), good)
  })

  it("and to a network with nothing in it where there is none, or only the one that was tried", () => {
    for (const kept of [Option.none(), Option.some(tried)]) {
      assert.deepStrictEqual(goodConfig(tried, kept), { ...tried, relays: [] })
    }
  })
})
