import { assert, describe, it } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import { Result, Schema } from "effect"
import { poolV4 } from "../src/allocate/AddressPool.ts"
import { MOST_PER_ADDRESS, OR_PORTS } from "../src/allocate/OrPorts.ts"
import { v4Places } from "../src/allocate/v4Places.ts"

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

const pool = Result.getOrThrow(poolV4("192.0.2.1", 28))

/** Addresses of a node, by their last part, each with the places of it that are taken; and how many relays one may have. */
const Node = Schema.Struct({
  own: Schema.Array(Schema.Struct({
    host: between(1, 20),
    places: Schema.Array(between(0, MOST_PER_ADDRESS - 1)).pipe(Schema.check(Schema.isMinLength(1)))
  })),
  others: Schema.Array(between(1, 14)),
  perAddress: between(1, MOST_PER_ADDRESS)
})

const setUp = ({ own, others, perAddress }: typeof Node.Type) => {
  const address = (host: number) => Ipv4.make(`192.0.2.${host}`)
  const mine = new Map(
    own.map(({ host, places }) => [address(host), new Set(places.flatMap((place) => OR_PORTS[place] ?? []))] as const)
  )
  const taken = new Set<string>([...mine.keys(), ...others.map(address)])
  const places = [
    ...v4Places([pool], { own: mine, addresses: (one) => one.addresses(), free: (one) => !taken.has(one), perAddress })
  ]
  return { mine, taken, places, perAddress }
}

describe("places of relays on IPv4 addresses", () => {
  it.prop("are no port of an address twice, no more than may be, on addresses of the node or of nobody", [Node], (
    [node]
  ) => {
    const { mine, places, perAddress, taken } = setUp(node)
    for (const [address, here] of Map.groupBy(places, ({ ip_v4 }) => ip_v4)) {
      assert.isTrue(pool.holds(address), "also one of the node's own gets none where it is not in a pool any more")
      const before = mine.get(address) ?? new Set()
      assert.isTrue(mine.has(address) || !taken.has(address))
      const ports = here.map(({ or_port }) => or_port)
      assert.strictEqual(new Set([...before, ...ports]).size, before.size + ports.length)
      assert.isAtMost(before.size + ports.length, perAddress)
    }
  })

  it.prop("are on the node's own addresses as long as these have room", [Node], ([node]) => {
    const { mine, places } = setUp(node)
    const isOwn = places.map(({ ip_v4 }) => mine.has(ip_v4))
    assert.isFalse(isOwn.some((own, index) => own && isOwn[index - 1] === false))
  })

  it.prop("are as many as there is room", [Node], ([node]) => {
    const { mine, places, perAddress, taken } = setUp(node)
    const free = [...pool.addresses()].filter((address) => !taken.has(address)).length
    const left = [...mine].filter(([address]) => pool.holds(address))
      .reduce((sum, [, ports]) => sum + Math.max(0, perAddress - ports.size), 0)
    assert.strictEqual(places.length, free * perAddress + left)
  })

  it("have the ports in one order", () => {
    const { places } = setUp({ own: [{ host: 3, places: [1] }], others: [1], perAddress: 3 })
    assert.deepStrictEqual(places.slice(0, 6).map(({ ip_v4, or_port }) => `${ip_v4} ${or_port}`), [
      "192.0.2.3 443",
      "192.0.2.3 9002",
      "192.0.2.2 443",
      "192.0.2.2 9001",
      "192.0.2.2 9002",
      "192.0.2.4 443"
    ])
  })
})
