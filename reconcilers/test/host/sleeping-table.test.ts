import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll, expect } from "vitest"
import {
  drift,
  FAR_V4,
  hostOf,
  inputOf,
  openNetwork,
  readers,
  reconcile,
  type RelayNetwork,
  writers
} from "./RelayNetwork.ts"

/** nft 1.0.6 lists a table with a flag as JSON with rubbish in it, and one with no chain as half a document. */
describe("a table that somebody put to sleep", () => {
  let network: RelayNetwork
  beforeAll(async () => {
    network = await openNetwork()
  })
  afterAll(() => network?.close())

  it.live.each(
    [
      ["with all that is in it", "add table inet patela { flags dormant; }"],
      ["and emptied", "delete table inet patela; add table inet patela { flags dormant; }"]
    ] as const
  )("%s is seen and made anew", ([, command]) =>
    Effect.gen(function*() {
      const input = inputOf(2)
      yield* reconcile(input)
      network.run("nft", command)
      expect((yield* drift(input)).map(({ address }) => address)).toContain("node/source-nat")
      const outcomes = yield* reconcile(input)
      expect([...outcomes.values()].every(({ done }) => done)).toBe(true)
      expect(yield* drift(input)).toEqual([])
      expect(network.run("nft", "list", "table", "inet", "patela")).not.toContain("dormant")
      expect(network.sourceSeen(FAR_V4, 50_001)).toBe("198.51.100.11")
    }).pipe(
      Effect.provide(Layer.suspend(() => Layer.merge(readers, writers).pipe(Layer.provide(hostOf(network.near)))))
    ))
})
