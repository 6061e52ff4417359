import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import {
  allDone,
  drift,
  FAR_V4,
  FAR_V6,
  inputOf,
  onHost as onNode,
  type Read,
  reconcile,
  uids,
  type Write
} from "./RelayNetwork.ts"
import { testNetwork } from "./TestNetwork.ts"

describe("what relays send and get, on a real kernel", () => {
  const network = testNetwork()

  const onHost = <A, E>(effect: Effect.Effect<A, E, Read | Write>) => Effect.suspend(() => onNode(network(), effect))

  it.live("gives each relay its own sources, root the management path, and no write to anything else", () =>
    onHost(Effect.gen(function*() {
      const input = inputOf(3)
      const main = network().mainTables()
      const others = network().foreign()
      allDone(yield* reconcile(input))
      expect(yield* drift(input)).toEqual([])
      expect([...(yield* reconcile(input))]).toEqual([])
      for (const [slot, uid] of uids(input).entries()) {
        expect(network().sourceSeen(FAR_V4, uid)).toBe(`198.51.100.${10 + slot}`)
        expect(network().sourceSeen(FAR_V6, uid)).toBe(`2001:db8:2::${(10 + slot).toString(16)}`)
      }
      expect(network().sourceSeen(FAR_V4)).toBe("192.0.2.10")
      expect(network().sourceSeen(FAR_V6)).toBe("2001:db8:1::10")
      expect(network().mainTables()).toBe(main)
      expect(network().foreign()).toBe(others)
      const guard = network().run("nft", "list", "chain", "inet", "patela", "guard")
      expect(guard).toContain("counter packets 0 bytes 0 drop")
    })))

  it.live("fails closed: without its route, element, table entry or rules a relay gets nothing, not another source", () =>
    onHost(Effect.gen(function*() {
      const input = inputOf(2)
      const [uid = 0, second = 0] = uids(input)
      const nothing = (who: number) => {
        expect(network().sourceSeenSoon(FAR_V4, who)).toMatch(/^nothing/)
        expect(network().sourceSeenSoon(FAR_V6, who)).toMatch(/^nothing/)
      }
      allDone(yield* reconcile(input))
      network().run("ip", "route", "del", "default", "via", "198.51.100.1", "dev", "e0", "table", "8020")
      network().run("ip", "-6", "route", "del", "default", "via", "2001:db8:2::1", "dev", "e0", "table", "8020")
      nothing(uid)
      expect((yield* drift(input)).map(({ address }) => address)).toEqual([
        "node/routing/default-v4",
        "node/routing/default-v6"
      ])
      allDone(yield* reconcile(input))

      network().run("ip", "route", "flush", "table", "8020")
      network().run("ip", "-6", "route", "flush", "table", "8020")
      nothing(uid)
      allDone(yield* reconcile(input))

      for (const family of ["-4", "-6"]) {
        for (const preference of ["8020", "8021"]) network().run("ip", family, "rule", "del", "pref", preference)
      }
      nothing(uid)
      allDone(yield* reconcile(input))

      network().run(
        "nft",
        "delete element inet patela mark_v4 { 0x08020002 }; delete element inet patela mark_v6 { 0x08020002 }"
      )
      // The kernel picks the first relay's address, which is not this one's; of the IPv6 addresses it may pick any.
      expect(network().sourceSeenSoon(FAR_V4, second)).toMatch(/^nothing/)
      expect(network().sourceSeenSoon(FAR_V6, second)).toMatch(/^(nothing|2001:db8:2::b$)/)
      expect(network().sourceSeen(FAR_V4, uid)).toBe("198.51.100.10")
      allDone(yield* reconcile(input))
      expect(network().sourceSeen(FAR_V4, second)).toBe("198.51.100.11")
      // A UID of the range without a relay has no source of its own.
      nothing(50_400)
    })))

  it.live("keeps loopback open to relays", () =>
    onHost(Effect.gen(function*() {
      const input = inputOf(1)
      allDone(yield* reconcile(input))
      const echo = "const s=require('net').createServer(c=>c.end('pong\\n')).listen(10000,'127.0.0.1',()=>{"
        + "const c=require('net').connect(10000,'127.0.0.1');c.on('data',d=>{process.stdout.write(d);process.exit()})})"
      const seen = network().run(
        "setpriv",
        "--reuid=50000",
        "--regid=50000",
        "--clear-groups",
        "--",
        process.execPath,
        "-e",
        echo
      )
      expect(seen).toBe("pong\n")
    })))

  it.live("answers for a relay's address by the relay link also where no process does", () =>
    onHost(Effect.gen(function*() {
      allDone(yield* reconcile(inputOf(1)))
      network().runFar(
        "nft",
        "add table inet seen; add chain inet seen c { type filter hook prerouting priority 0; }; "
          + "add rule inet seen c iifname m1 ip saddr 198.51.100.10 counter; add rule inet seen c iifname e1 ip saddr 198.51.100.10 counter"
      )
      // Bound to the far service address, so that the answer needs a route and is not for a neighbour.
      const knock = `const c=require("net").connect({host:"198.51.100.10",port:4444,localAddress:"${FAR_V4}"});`
        + `c.on("error",e=>{console.log(e.code);process.exit()})`
      expect(network().runFar("timeout", "30", process.execPath, "-e", knock).trim()).toBe("ECONNREFUSED")
      const counters = [...network().runFar("nft", "list", "table", "inet", "seen").matchAll(/packets (\d+)/g)]
        .map(([, packets]) => Number(packets))
      network().runFar("nft", "delete", "table", "inet", "seen")
      expect(counters[0]).toBe(0)
      expect(counters[1]).toBeGreaterThan(0)
    })))
})
