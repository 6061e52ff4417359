import { assert, describe, it } from "@effect/vitest"
import { goodConfig } from "@patela/agent/pass/recoverTrial"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import { Option } from "effect"
import { memoryInput } from "./MemoryKinds.ts"

const { config: tried } = memoryInput([["toma", "cut"]])
const { config: good } = memoryInput([["toma", "a"]])

describe("after an agent was killed in a trial", () => {
  it("the node goes back to the last good configuration, and what the tried one brought is in reach", () => {
    const pools = [{ family: "ipv4" as const, first: Ipv4.make("192.0.2.1"), last: Ipv4.make("192.0.2.100") }]
    const elsewhere = { ...tried, network: { ...tried.network, pools } }
    assert.deepStrictEqual(goodConfig(elsewhere, Option.some(good)), {
      ...good,
      network: { ...good.network, pools: [...good.network.pools, ...pools] }
    })
  })

  it("and to a network with nothing in it where there is none, or only the one that was tried", () => {
    for (const kept of [Option.none(), Option.some(tried)]) {
      assert.deepStrictEqual(goodConfig(tried, kept), { ...tried, relays: [] })
    }
  })
})
