import { assert, describe, it } from "@effect/vitest"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER, queueMebibytes } from "@patela/domain/torrc/ManagedLines"
import { Effect, Layer, Schema } from "effect"
import { DaemonReload } from "../src/drop-ins/DaemonReload.ts"
import { desiredDropIns } from "../src/drop-ins/DesiredDropIn.ts"
import { DropInLedgerReader, DropInLedgerWriter, updated } from "../src/drop-ins/DropInLedger.ts"
import { DropInReader } from "../src/drop-ins/DropInReader.ts"
import { DropIns } from "../src/drop-ins/DropIns.ts"
import { DropInWriter } from "../src/drop-ins/DropInWriter.ts"
import { memoryMax } from "../src/drop-ins/memoryMax.ts"
import type { Known } from "../src/host/FileMemory.ts"
import { type Broken, CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

type Services = DaemonReload | DropInLedgerReader | DropInLedgerWriter | DropInReader | DropInWriter | Monitors

const CHEESES = ["toma", "robiola", "brie"]
const Wanted = Schema.Array(Schema.Literals(CHEESES))

/** What stands in the place of a drop-in, and what systemd and the ledger know of it. */
const Place = Schema.Struct({
  name: Schema.Literals(CHEESES),
  file: Schema.Literals(["absent", "right", "old", "unreadable", "foreign", "not a file"]),
  known: Schema.Literals(["never", "loaded", "loaded and noted", "an older one"])
})
const Start = Schema.Array(Place)

const rightOf = (name: string): string =>
  desiredDropIns(inputFor(CHEESES)).find(({ value }) => value.relay === name)?.value.content ?? ""

const inputFor = (names: ReadonlyArray<string>) =>
  nodeInput([...new Set(names)].map((name) => relayAt(CHEESES.indexOf(name), name)))

const TEXT = { old: `${OWNED_HEADER}\n[Service]\nCPUAffinity=9\n`, foreign: "[Service]\nNice=5\n" } as const

interface DropInWorld extends World<Services> {
  readonly files: ReadonlyMap<RelayName, Known<string>>
  readonly systemd: ReadonlyMap<RelayName, string>
}

/** Files in memory, and a systemd that knows of them what it read last; of a broken relay it says the opposite. */
const worldOf = (start: typeof Start.Type) => (broken: Broken): DropInWorld => {
  const host = new FakeHost({})
  const files = new Map<RelayName, Known<string>>()
  const systemd = new Map<RelayName, string>()
  let ledger: ReadonlyMap<RelayName, string> = new Map()
  let stamps = 0
  const fileOf = (content: string, mode: number): Known<string> => ({
    type: "file",
    content,
    mode,
    uid: 0,
    gid: 0,
    changedAt: 0,
    stamp: `stamp ${stamps++}`
  })
  for (const { file, known, name: text } of start) {
    const name = RelayName.make(text)
    if (file === "not a file") files.set(name, { type: "not a file" })
    else if (file === "absent") files.delete(name)
    else {
      const content = file === "old" || file === "foreign" ? TEXT[file] : rightOf(text)
      files.set(name, fileOf(content, file === "unreadable" ? 0o600 : 0o644))
    }
    const there = files.get(name)
    const stamp = there?.type === "file" && known !== "an older one" ? there.stamp : "older"
    if (known !== "never") systemd.set(name, stamp)
    if (known === "loaded and noted") ledger = new Map([...ledger, [name, stamp]])
  }
  const foreign = [...files].filter(([, it]) =>
    it.type === "not a file" || (it.type === "file" && it.content === TEXT.foreign)
  )
    .map(([name]) => name)

  const layer = Layer.mergeAll(
    noMonitors,
    Layer.succeed(DropInReader, { readAll: Effect.sync(() => new Map(files)) }),
    Layer.succeed(DropInWriter, {
      write: ({ content, relay }) => host.write(() => void files.set(relay, fileOf(content, 0o644))),
      remove: (relay) => files.has(relay) ? host.write(() => void files.delete(relay)) : Effect.void
    }),
    Layer.succeed(DropInLedgerReader, { read: Effect.sync(() => ledger) }),
    Layer.succeed(DropInLedgerWriter, {
      update: (loaded, gone) =>
        Effect.suspend(() => {
          const next = updated(ledger, loaded, gone)
          return next === ledger ? Effect.void : host.write(() => void (ledger = next))
        })
    }),
    Layer.succeed(DaemonReload, {
      reload: host.write(() => {
        systemd.clear()
        for (const [name, file] of files) if (file.type === "file") systemd.set(name, file.stamp)
      }),
      look: (relay) =>
        Effect.sync(() => {
          const file = files.get(relay)
          const stamp = file?.type === "file" ? file.stamp : undefined
          if (broken.has(relay)) return { hasDropIn: stamp === undefined, outdated: false }
          // As systemd 252 does: of a drop-in in a directory that is new to it, it says that nothing is outdated.
          return { hasDropIn: systemd.has(relay), outdated: systemd.has(relay) && systemd.get(relay) !== stamp }
        })
    })
  )
  return { host, layer, files, systemd, foreign: () => foreign.map((name) => files.get(name)) }
}

const kind: Kind<Services, Services> = DropIns

describe("drop-ins, by the laws of every kind", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, and what is in place systemd has read, ${said}`,
      [Wanted, Start],
      ([wanted, start]) =>
        kindLaws(kind, inputFor(wanted), worldOf(start), ({ files, systemd }, failed) => {
          for (const name of CHEESES.map((each) => RelayName.make(each))) {
            const file = files.get(name)
            if (failed.has(`relay/${name}/drop-in`)) continue
            if (!wanted.includes(name)) {
              const last = start.findLast((place) => place.name === name)
              const wasPatelas = last !== undefined && ["right", "old", "unreadable"].includes(last.file)
              if (wasPatelas) assert.isUndefined(file, `${name} is removed`)
              if (wasPatelas && last.known === "loaded and noted") {
                assert.isFalse(systemd.has(name), "systemd forgot it")
              }
              continue
            }
            assert.isTrue(file?.type === "file" && file.content === expected(wanted, name))
            if (file?.type === "file") assert.strictEqual(systemd.get(name), file.stamp, `systemd has read ${name}`)
          }
        }, kills),
      runs
    )
  }

  it.effect("many files are one daemon-reload, and none is none", () =>
    Effect.gen(function*() {
      const { host, layer } = worldOf([])(new Set())
      const pass = Effect.gen(function*() {
        const plan = yield* kind.plan(inputFor(CHEESES))
        return yield* plan.apply(() => true)
      }).pipe(Effect.provide(layer))
      yield* pass
      assert.strictEqual(host.writes, CHEESES.length + 2, "three files, one reload, one ledger")
      yield* pass
      assert.strictEqual(host.writes, CHEESES.length + 2)
    }))

  it.effect("a file that systemd has not read is shown, and read", () =>
    Effect.gen(function*() {
      const { layer } = worldOf([{ name: "toma", file: "right", known: "never" }])(new Set())
      const { changes } = yield* Effect.provide(kind.plan(inputFor(["toma", "robiola", "brie"])), layer)
      assert.deepStrictEqual(changes.find(({ address }) => address === "relay/toma/drop-in")?.lines, [
        "systemd has not read it yet: daemon-reload"
      ])
    }))

  it.effect("a systemd that does not take the file is believed, and not the ledger", () =>
    Effect.gen(function*() {
      const { layer } = worldOf([])(new Set())
      const deaf = Layer.succeed(DaemonReload, {
        reload: Effect.void,
        look: () => Effect.succeed({ hasDropIn: false, outdated: false })
      })
      const outcomes = yield* Effect.gen(function*() {
        return yield* (yield* kind.plan(inputFor(["toma"]))).apply(() => true)
      }).pipe(Effect.provide(Layer.mergeAll(layer, deaf)))
      assert.match(JSON.stringify(outcomes.get("relay/toma/drop-in")), /systemd read its units again but not/)
      const { changes } = yield* Effect.provide(kind.plan(inputFor(["toma"])), layer)
      assert.strictEqual(changes.length, 1)
    }))
})

const expected = (wanted: ReadonlyArray<string>, name: string): string | undefined =>
  desiredDropIns(inputFor(wanted)).find(({ value }) => value.relay === name)?.value.content

const MIB = 2 ** 20
const Memory = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 256 * MIB, maximum: 2 ** 42 })))
const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 512 })))

describe("the memory of a relay", () => {
  it.prop("is clearly more than its queues may take", [Memory, Count], ([memoryBytes, relayCount]) => {
    const queue = queueMebibytes(memoryBytes, relayCount) * MIB
    assert.isAtLeast(memoryMax({ memoryBytes, relayCount, torrc: "" }) ?? 0, queue * 1.5 + 256 * MIB)
  })

  it.prop("is clearly more than a layer gives it for queues", [Count], ([megabytes]) => {
    const given = memoryMax({ memoryBytes: 2 ** 32, relayCount: 4, torrc: `MaxMemInQueues ${megabytes * 8} MB\n` })
    assert.isAtLeast(given ?? 0, megabytes * 8 * 1.5 * MIB + 256 * MIB)
  })

  it.prop("whatever a layer says, is some limit or none", [Schema.String, Schema.String], ([torrc, value]) => {
    for (const text of [torrc, `MaxMemInQueues ${value}\n`]) {
      const given = memoryMax({ memoryBytes: 2 ** 32, relayCount: 4, torrc: text })
      assert.isTrue(given === undefined || (Number.isSafeInteger(given) && given >= 640 * MIB))
    }
  })

  it("reads tor's units", () => {
    const of = (value: string) => memoryMax({ memoryBytes: 2 ** 30, relayCount: 1, torrc: `MaxMemInQueues ${value}\n` })
    const four = (4 * 1.5 + 0.25) * 2 ** 30
    for (const value of ["4 GB", "4GB", "4 gbytes", "4096 MBytes", "4294967296", "4294967296 bytes", "32 Gbits"]) {
      assert.strictEqual(of(value), four, value)
    }
    assert.isUndefined(of("0"), "tor chooses")
    assert.isUndefined(of("lots"))
    assert.isUndefined(of(`${"9".repeat(400)} TB`), "no number that systemd could read")
    const little = memoryMax({ memoryBytes: 2 ** 30, relayCount: 8, torrc: "MaxMemInQueues 1 MB\n" })
    assert.strictEqual(little, (256 * 1.5 + 256) * MIB, "tor takes no less than 256 MB")
  })

  it("leaves a limit of 1 GiB to each of eight relays on 8 GiB", () => {
    assert.strictEqual(memoryMax({ memoryBytes: 2 ** 33, relayCount: 8, torrc: "" }), 2 ** 30)
  })
})

describe("what a drop-in says", () => {
  it("gives each relay the processor of its slot, and only settings", () => {
    const [toma, robiola, brie] = desiredDropIns(inputFor(CHEESES)).map(({ value }) => value.content.split("\n"))
    const processors = [toma, robiola, brie].map((lines) => lines?.filter((line) => line.startsWith("CPUAffinity=")))
    assert.deepStrictEqual(processors, [["CPUAffinity=0"], ["CPUAffinity=1"], ["CPUAffinity=0"]])
    for (const lines of [toma, robiola, brie]) {
      assert.strictEqual(lines?.[0], OWNED_HEADER)
      assert.strictEqual(lines?.[1], "[Service]")
      for (const line of lines?.slice(2, -1) ?? []) assert.match(line, /^[A-Z][A-Za-z]+=\S/)
      // A umask that keeps others out ends tor at its reload (sandbox.ts).
      assert.isFalse(lines?.some((line) => line.startsWith("UMask=")))
    }
  })

  it("names no relay that the configuration does not, and needs the account", () => {
    const desired = desiredDropIns(inputFor(["brie"]))
    assert.deepStrictEqual(desired.map(({ address, needs }) => [address, needs]), [
      ["relay/brie/drop-in", ["relay/brie/account"]]
    ])
  })
})
