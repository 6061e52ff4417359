import { afterAll, beforeAll, beforeEach } from "vitest"
import { openNetwork, type RelayNetwork } from "./RelayNetwork.ts"

/** A relay network for the tests of the suite that calls this: opened before the first, cleared before each, and closed. */
export const testNetwork = (): () => RelayNetwork => {
  let network: RelayNetwork | undefined
  const opened = () => {
    if (network === undefined) throw new Error("the network is opened before the first test, not before that")
    return network
  }
  beforeAll(async () => {
    network = await openNetwork()
  })
  afterAll(() => network?.close())
  beforeEach(() => opened().clear())
  return opened
}
