import { describe, it } from "@effect/vitest"
import { Effect, Equal, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { afterAll, beforeAll, expect } from "vitest"
import { AddressReader } from "../../src/addresses/AddressReader.ts"
import { HostCommand } from "../../src/host/HostCommand.ts"
import { RouteReader } from "../../src/routing/RouteReader.ts"
import { SourceNatReader } from "../../src/source-nat/SourceNatReader.ts"
import { hostOf, openNetwork, type RelayNetwork } from "./RelayNetwork.ts"

const readers = Layer.mergeAll(AddressReader.layer, RouteReader.layer, SourceNatReader.layer)

/** All that the readers say of the kernel's tables. */
const look = Effect.gen(function*() {
  const { links } = yield* AddressReader
  const { entries } = yield* RouteReader
  const { table } = yield* SourceNatReader
  return { links: yield* links, entries: yield* entries, table: yield* table }
})

/** Things that happen to a node; each is undone by its pair, so that any sequence of pairs can happen. */
const HAPPENINGS = [
  ["ip address add 198.51.100.20/24 dev e0", "ip address del 198.51.100.20/24 dev e0"],
  ["ip -6 address add 2001:db8:2::20/64 dev e0", "ip -6 address del 2001:db8:2::20/64 dev e0"],
  ["ip rule add pref 100 uidrange 50000-50010 lookup 8020", "ip rule del pref 100"],
  ["ip route add 203.0.113.7/32 dev x0 table 8020", "ip route del 203.0.113.7/32 table 8020"],
  ["ip -6 route add 2001:db8:7::/64 dev x0 table 8020", "ip -6 route del 2001:db8:7::/64 table 8020"],
  ["nft add chain inet patela more", "nft delete chain inet patela more"],
  ["nft add counter inet patela c", "nft delete counter inet patela c"],
  // Its index is the same, its name is not, and the kernel names the link of a route by its index.
  [
    "ip link set x0 down name y0; ip link set y0 up; ip route add 203.0.113.8/32 dev y0 table 8020",
    "ip link set y0 down name x0; ip link set x0 up"
  ],
  ["ip link add z0 type veth peer name z1", "ip link del z0"]
] as const
const Sequence = Schema.Array(Schema.Literals(HAPPENINGS.map((_, index) => index))).pipe(
  Schema.check(Schema.isMaxLength(6))
)

describe("programs that are kept", () => {
  let network: RelayNetwork
  beforeAll(async () => {
    network = await openNetwork()
    for (const family of ["-4", "-6"]) {
      network.run("ip", family, "route", "add", "unreachable", "default", "metric", "4294967295", "table", "8020")
    }
    network.run("nft", "add", "table", "inet", "patela")
  })
  afterAll(() => network?.close())
  const onHost = <A, E>(effect: Effect.Effect<A, E, HostCommand>) =>
    Effect.suspend(() => Effect.provide(effect, hostOf(network.near)))
  const change = (lines: string) =>
    Effect.sync(() => lines.split("; ").forEach((line) => network.run(...line.split(" "))))
  const isOf = (program: string) => (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === program
    } catch {
      // It has ended meanwhile.
      return false
    }
  }
  const pids = (program: string) =>
    execFileSync("ip", ["netns", "pids", network.near], { encoding: "utf8" }).split("\n").filter(isOf(program))
  /** How many of ip and nft there are, once there are so many: who is told to end may take a moment. */
  const kept = Effect.fnUntraced(function*(...wanted: readonly [ip: number, nft: number]) {
    const now = () => [pids("ip").length, pids("nft").length]
    for (let looks = 0; looks < 500 && String(now()) !== String(wanted); looks++) {
      // Of real time also where a test has its own.
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 10)))
    }
    return now()
  })

  it.live.prop(
    "say of a host whatever happens to it what one that is started then says",
    [Sequence],
    ([sequence]) =>
      onHost(
        Effect.gen(function*() {
          const anew = Layer.effect(
            HostCommand,
            HostCommand.useSync(({ attempt, run }) => HostCommand.of({ attempt, run, ask: () => Effect.succeedNone }))
          )
          const keeping = yield* Layer.build(readers)
          const lookAnew = Effect.provide(look, readers.pipe(Layer.provide(anew)))
          // A link-local address comes by itself some time after its link: what is compared is a node at rest.
          const compare = Effect.gen(function*() {
            const before = yield* lookAnew
            const kept = yield* Effect.provide(look, keeping)
            const after = yield* lookAnew
            if (!Equal.equals(before, after)) return false
            expect(kept).toEqual(after)
            return true
          }).pipe(Effect.repeat({ until: (compared) => compared }))
          yield* compare
          for (const [there, back] of sequence.map((index) => HAPPENINGS[index] ?? ["true", "true"])) {
            yield* change(there)
            yield* Effect.ensuring(compare, change(back))
          }
          yield* compare
          // One whose names of links no longer held was done away with, and is started at the next look.
          yield* compare
          expect(yield* kept(3, 1)).toEqual([3, 1])
        }).pipe(Effect.scoped)
      ),
    { arbitrary: { runs: 12 } }
  )

  it.live("end with who keeps them", () => Effect.map(kept(0, 0), (left) => expect(left).toEqual([0, 0])))

  it.live("answer nothing to what they complain of, nor when killed, and the next time all is well", () =>
    onHost(Effect.gen(function*() {
      const { ask } = yield* HostCommand
      const addresses = ask(["ip", "-j", "-batch", "-"], ["address show"])
      const table = ask(["nft", "-j", "-i"], ["list table inet patela"])
      expect((yield* addresses)._tag).toBe("Some")
      expect((yield* ask(["ip", "-j", "-batch", "-"], ["nonsense"]))._tag).toBe("None")
      expect((yield* addresses)._tag).toBe("Some")
      // The one that complained is on its way out, and a new one was started.
      yield* kept(1, 0)
      for (const pid of pids("ip")) process.kill(Number(pid), "SIGKILL")
      yield* addresses
      expect((yield* addresses)._tag).toBe("Some")
      yield* change("nft delete table inet patela")
      expect((yield* table)._tag).toBe("None")
      yield* change("nft add table inet patela")
      expect((yield* table)._tag).toBe("Some")
      expect((yield* ask(["no-such-program"], ["anything"]))._tag).toBe("None")
    })))

  it.effect("are given up when they are silent, and started anew", () =>
    onHost(Effect.gen(function*() {
      const { ask } = yield* HostCommand
      const addresses = ask(["ip", "-j", "-batch", "-"], ["address show"])
      expect((yield* addresses)._tag).toBe("Some")
      const [stopped = ""] = pids("ip")
      process.kill(Number(stopped), "SIGSTOP")
      const asked = yield* Effect.forkChild(addresses)
      yield* TestClock.adjust("2 seconds")
      expect((yield* Fiber.join(asked))._tag).toBe("None")
      expect((yield* addresses)._tag).toBe("Some")
      yield* kept(1, 0)
      expect(pids("ip")).not.toContain(stopped)
    })))
})
