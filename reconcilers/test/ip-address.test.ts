import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { readLinks } from "../src/addresses/AddressReader.ts"
import { batchFailures } from "../src/host/IpBatch.ts"
import { damaged } from "./DamagedText.ts"

describe("what ip says of addresses", () => {
  it("tells which lines of a batch failed", () => {
    const stderr =
      "Error: ipv4: Address already assigned.\nCommand failed -:2\nRTNETLINK answers: Permission denied\nCommand failed -:4\n"
    expect([...batchFailures({ exitCode: 1, stdout: "", stderr }, 4)]).toEqual([
      [2, "Error: ipv4: Address already assigned."],
      [4, "RTNETLINK answers: Permission denied"]
    ])
    expect(batchFailures({ exitCode: 0, stdout: "", stderr: "a warning" }, 4).size).toBe(0)
    const aborted = batchFailures({ exitCode: 1, stdout: "", stderr: "Error: any valid prefix is expected" }, 3)
    expect([...aborted.keys()]).toEqual([1, 2, 3])
    expect(batchFailures({ exitCode: 255, stdout: "", stderr: "" }, 1).get(1)).toBe("ip ended with code 255")
  })

  /** As iproute2 6.1 wrote it. */
  const WRITTEN = JSON.stringify([{
    ifindex: 3,
    link_index: 2,
    ifname: "e0",
    flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    mtu: 1500,
    operstate: "UP",
    addr_info: [
      { family: "inet", local: "198.51.100.5", prefixlen: 24, scope: "global", secondary: true, noprefixroute: true },
      { family: "inet6", local: "2001:db8:2::5", prefixlen: 64, scope: "global", dadfailed: true },
      { family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link", valid_life_time: 4294967295 }
    ]
  }])

  it.effect("reads what ip writes", () =>
    Effect.gen(function*() {
      expect(yield* readLinks(WRITTEN)).toEqual([{
        name: "e0",
        up: true,
        addresses: [
          { address: "198.51.100.5", prefix: 24, linkLocal: false, failed: false },
          { address: "2001:db8:2::5", prefix: 64, linkLocal: false, failed: true },
          { address: "fe80::1", prefix: 64, linkLocal: true, failed: false }
        ]
      }])
      const failure = yield* Effect.flip(readLinks(WRITTEN.replace("\"prefixlen\":24", "\"prefixlen\":\"24\"")))
      expect(failure.message).toContain("prefixlen")
    }))

  it.effect("survives any damage to what ip writes", () =>
    Effect.gen(function*() {
      let failures = 0
      for (let seed = 1; seed <= 3000; seed++) {
        const text = damaged(WRITTEN, seed)
        const exit = yield* Effect.result(readLinks(text))
        if (exit._tag !== "Failure") continue
        failures += 1
        expect(exit.failure._tag).toBe("ObservationFailed")
        expect(exit.failure.message).toMatch(/at \[|JSON|Expected|Missing/)
      }
      expect(failures).toBeGreaterThan(500)
    }))
})
