import { assert, describe, it } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import { chooseRelayInterface } from "../src/host/RelayInterface.ts"

const pools = [{ family: "ipv4", first: Ipv4.make("198.51.100.10"), last: Ipv4.make("198.51.100.254") }] as const

const link = (name: string, ...ipv4: ReadonlyArray<string>) => ({ name, ipv4 })

const chosen = (...links: ReadonlyArray<ReturnType<typeof link>>) => {
  const choice = chooseRelayInterface(links, pools, { named: undefined, noted: undefined })
  return choice.found ? choice.name : undefined
}

describe("chooseRelayInterface", () => {
  it("takes the first e* link with no IPv4 address", () => {
    assert.strictEqual(chosen(link("lo"), link("ens3", "192.0.2.10"), link("ens4"), link("ens5")), "ens4")
    assert.strictEqual(chosen(link("lo"), link("wlan0"), link("ens3", "192.0.2.10")), undefined)
  })

  it("stays with the link that it chose before on this boot, whatever others add to any link", () => {
    const links = [link("ens3", "192.0.2.10", "198.51.100.250"), link("ens4", "203.0.113.77", "198.51.100.10")]
    const choice = chooseRelayInterface(links, pools, { named: undefined, noted: "ens4" })
    assert.deepStrictEqual(choice, { found: true, name: "ens4" })
  })

  it("without a note, knows the link by relays' addresses and no other", () => {
    assert.strictEqual(chosen(link("ens3"), link("ens4", "198.51.100.10", "198.51.100.11")), "ens4")
    assert.strictEqual(chosen(link("ens3", "192.0.2.10", "198.51.100.250")), undefined)
  })

  it("never takes a link that has only somebody else's addresses", () => {
    assert.strictEqual(chosen(link("eth0", "192.0.2.2")), undefined)
  })

  it("takes the named link, and says so when it is not there", () => {
    const links = [link("ens3"), link("wlan0", "192.0.2.2")]
    assert.deepStrictEqual(chooseRelayInterface(links, pools, { named: "wlan0", noted: "ens3" }), {
      found: true,
      name: "wlan0"
    })
    const missing = chooseRelayInterface(links, pools, { named: "ens9", noted: undefined })
    assert.isFalse(missing.found)
    assert.match(missing.found ? "" : missing.why, /no link ens9.*ens3, wlan0/)
  })
})
