import { afterAll, describe, it } from "@effect/vitest"
import { sameInContacts, sameInRenderings, sameInThreeLayers, sameInTwoLayers } from "../host/sameMeaning.ts"
import { TorOracle } from "../host/TorOracle.ts"

const tor = new TorOracle()
afterAll(() => tor.close())

const TIMEOUT = 600_000

// The same as in the host tier, of so many that it takes half a minute.
describe("tor reads the same", () => {
  it.live("in a text and in our rendering of it", () => sameInRenderings(tor, 500), TIMEOUT)
  it.live("in any ContactInfo", () => sameInContacts(tor, 200), TIMEOUT)
  it.live("in two layers and in our merge of them", () => sameInTwoLayers(tor, 300), TIMEOUT)
  it.live("in three layers and in our merge of them", () => sameInThreeLayers(tor, 300), TIMEOUT)
})
