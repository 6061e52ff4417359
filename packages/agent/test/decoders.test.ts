import { assert, describe, it } from "@effect/vitest"
import { AgentState } from "@patela/agent/host/AgentState"
import { HostFactsReader } from "@patela/agent/host/HostFactsReader"
import { KeptConfig } from "@patela/agent/host/KeptConfig"
import type { AgentStatus } from "@patela/agent/status/AgentStatus"
import { readStatus } from "@patela/agent/status/StatusFile"
import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { AddressReader } from "@patela/reconcilers/addresses/AddressReader"
import { HostCommand } from "@patela/reconcilers/host/HostCommand"
import { UnitLedgerReader } from "@patela/reconcilers/units/UnitLedger"
import { Effect, Layer, Option, Result, Schema } from "effect"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { damaged } from "../../../reconcilers/test/DamagedText.ts"

/** So many damaged texts go into each decoder. */
const CASES = 10_000

const CONFIG: typeof NodeConfig.Encoded = {
  relays: [{
    name: "toma",
    slot: 0,
    ip_v4: "198.51.100.10",
    ip_v6: "2001:db8:2::a",
    or_port: 9001,
    dir_port: null,
    torrc: "ContactInfo \"nobody\"\nExitPolicy reject *:*\n",
    fingerprint: { rsa: "4F1B62E5B1F3C6D0A9E8D7C6B5A4938271605F4E", ed25519: "A".repeat(43) }
  }],
  network: {
    gateway_v4: "198.51.100.1",
    gateway_v6: "2001:db8:2::1",
    prefix_v4: 24,
    prefix_v6: 64,
    dns: ["198.51.100.1"],
    pools: [{ family: "ipv4", first: "198.51.100.10", last: "198.51.100.99" }]
  },
  geoip: false,
  test_network: false,
  generation: 4,
  removed: ["bra"]
}

const STATUS: typeof AgentStatus.Encoded = {
  version: 1,
  verdict: "partly",
  since: "2025-01-01T00:00:00.000Z",
  generation: 4,
  relays: [{ name: "toma", state: "trouble", why: "relay/toma/unit: it failed", since: "2025-01-01T00:00:00.000Z" }],
  node: [],
  rolled_back: null,
  contended: ["relay/toma/address-v4"],
  last_change: { at: "2025-01-01T00:00:00.000Z", changes: ["created relay/toma/unit (drift)"] }
}

const NOTES = {
  version: 1,
  applied: "ab".repeat(32),
  pending: ["relay/toma/unit"],
  generation: 4,
  quarantined: { digest: "cd".repeat(32), why: "no new connection" },
  reported: "ef".repeat(32),
  relayInterface: "ens4"
}

const UNITS = { version: 1, units: [["toma", { digest: "ab".repeat(32), restartDigest: "cd".repeat(32) }]] }

/** In memory where the machine has that: what is read is the point here, not the disk. */
const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir()

/** Gives a reader of a file every damaged text in turn; counts the texts of which it made nothing. */
const lostOf = <A, E>(
  written: object,
  readerOf: (path: string) => Effect.Effect<Effect.Effect<A, E>>,
  isLost: (value: A) => boolean
) =>
  Effect.gen(function*() {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(MEMORY, "patela-decoders-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const path = join(directory, "units.json")
    const read = yield* readerOf(path)
    const text = JSON.stringify(written)
    writeFileSync(path, text)
    assert.isFalse(isLost(yield* read), "what was not damaged is read")
    let lost = 0
    for (let seed = 1; seed <= CASES; seed++) {
      writeFileSync(path, damaged(text, seed))
      if (isLost(yield* read)) lost += 1
    }
    return lost
  }).pipe(Effect.scoped)

describe("ten thousand damaged files of the agent's own do no harm", () => {
  it.effect("its notes: they are read, or are empty", () =>
    Effect.gen(function*() {
      const isNotes = Schema.is(Schema.Struct({ version: Schema.Literal(1) }))
      const readerOf = (path: string) =>
        AgentState.pipe(Effect.map(({ read }) => read), Effect.provide(AgentState.layerAt(path)))
      const lost = yield* lostOf(NOTES, readerOf, (notes) => {
        assert.isTrue(isNotes(notes))
        return notes.applied === undefined
      })
      assert.isAtLeast(lost, 1000)
    }))

  it.effect("the kept configuration: it is one, or there is none", () =>
    Effect.gen(function*() {
      const isConfig = Schema.is(NodeConfig)
      const readerOf = (path: string) =>
        KeptConfig.pipe(Effect.map(({ read }) => read), Effect.provide(KeptConfig.layerAt(path)))
      const lost = yield* lostOf({ version: 1, config: CONFIG }, readerOf, (kept) => {
        assert.isTrue(Option.isNone(kept) || isConfig(kept.value))
        return Option.isNone(kept)
      })
      assert.isAtLeast(lost, 1000)
    }))

  it.effect("the status: it is one, or the message says where it is damaged", () =>
    Effect.gen(function*() {
      const readerOf = (path: string) => Effect.succeed(Effect.result(readStatus(path)))
      const lost = yield* lostOf(STATUS, readerOf, (status) => {
        if (Result.isFailure(status)) assert.match(status.failure.message, /at \[|JSON|Expected|Missing/)
        return Result.isFailure(status)
      })
      assert.isAtLeast(lost, 1000)
    }))

  it.effect("the ledger of units: it is read, or is empty", () =>
    Effect.gen(function*() {
      const readerOf = (path: string) =>
        UnitLedgerReader.pipe(
          Effect.map(({ read }) => read),
          Effect.provide(UnitLedgerReader.layerAt(join(path, "..")))
        )
      assert.isAtLeast(yield* lostOf(UNITS, readerOf, (entries) => entries.size === 0), 1000)
    }))

  it.effect("the links of the host, as ip writes them: they are read, or the message says what is wrong", () =>
    Effect.gen(function*() {
      const written = JSON.stringify([
        {
          ifname: "lo",
          flags: ["UP"],
          addr_info: [{ family: "inet", local: "127.0.0.1", prefixlen: 8, scope: "host" }]
        },
        { ifname: "ens4", flags: [], addr_info: [{ family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link" }] }
      ])
      let refused = 0
      for (let seed = 1; seed <= CASES; seed++) {
        const command = Layer.succeed(HostCommand, {
          run: () => Effect.succeed(damaged(written, seed)),
          attempt: () => Effect.die("not asked"),
          ask: () => Effect.succeedNone
        })
        const links = yield* HostFactsReader.pipe(
          Effect.flatMap((reader) => reader.links),
          Effect.provide(HostFactsReader.layer.pipe(Layer.provide(AddressReader.layer), Layer.provide(command))),
          Effect.result
        )
        if (Result.isSuccess(links)) continue
        refused += 1
        assert.match(links.failure.message, /cannot read the host's links: .*(at \[|JSON|Expected|Missing)/s)
      }
      assert.isAtLeast(refused, 1000)
    }))
})
