import { assert, describe, it } from "@effect/vitest"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { Effect, Layer, Schema } from "effect"
import { DaemonReload } from "../src/drop-ins/DaemonReload.ts"
import { desiredDropIns } from "../src/drop-ins/DesiredDropIn.ts"
import { DropInLedgerReader, DropInLedgerWriter, updated } from "../src/drop-ins/DropInLedger.ts"
import { DropInReader } from "../src/drop-ins/DropInReader.ts"
import { DropIns } from "../src/drop-ins/DropIns.ts"
import { DropInWriter } from "../src/drop-ins/DropInWriter.ts"
import { leavesMore, withLimitOf } from "../src/drop-ins/limitLine.ts"
import { MemoryLimits } from "../src/drop-ins/MemoryLimits.ts"
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
  file: Schema.Literals(["absent", "right", "roomy", "old", "unreadable", "foreign", "not a file"]),
  known: Schema.Literals(["never", "loaded", "loaded and noted", "an older one"])
})
const Start = Schema.Array(Place)

const rightOf = (name: string): string =>
  desiredDropIns(inputFor(CHEESES)).find(({ value }) => value.relay === name)?.value.content ?? ""

const inputFor = (names: ReadonlyArray<string>) =>
  nodeInput([...new Set(names)].map((name) => relayAt(CHEESES.indexOf(name), name)))

/** As for a node on which it is alone: with a higher limit of memory. */
const roomyOf = (name: string): string =>
  desiredDropIns(inputFor([name])).find(({ value }) => value.relay === name)?.value.content ?? ""

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
      const right = file === "roomy" ? roomyOf(text) : rightOf(text)
      const content = file === "old" || file === "foreign" ? TEXT[file] : right
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
              const wasPatelas = last !== undefined && ["right", "roomy", "old", "unreadable"].includes(last.file)
              if (wasPatelas) assert.isUndefined(file, `${name} is removed`)
              if (wasPatelas && last.known === "loaded and noted") {
                assert.isFalse(systemd.has(name), "systemd forgot it")
              }
              continue
            }
            const right = expected(wanted, name) ?? ""
            const found = file?.type === "file" ? file.content : ""
            assert.strictEqual(leavesMore(found, right) ? withLimitOf(found, right) : found, right)
            if (file?.type === "file") assert.strictEqual(systemd.get(name), file.stamp, `systemd has read ${name}`)
          }
        }, kills),
      runs
    )
  }

  it.effect("a lower limit of memory waits for the relay's tor, and a higher one comes before it", () =>
    Effect.gen(function*() {
      const passOf = (one: Kind<Services, Services>, names: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const plan = yield* one.plan(inputFor(names))
          yield* plan.apply(() => true)
          return plan.changes
        })
      const { files, layer } = worldOf([{ name: "toma", file: "roomy", known: "loaded and noted" }])(new Set())
      const text = () => {
        const file = files.get(RelayName.make("toma"))
        return file?.type === "file" ? file.content : ""
      }
      yield* Effect.gen(function*() {
        // Two more relays: less memory for the one that runs, which it has as it was until its tor knows.
        const first = yield* passOf(DropIns, CHEESES)
        assert.deepStrictEqual(first.map(({ address }) => address), ["relay/robiola/drop-in", "relay/brie/drop-in"])
        assert.strictEqual(text(), roomyOf("toma"))
        const [limit, ...others] = yield* passOf(MemoryLimits, CHEESES)
        assert.deepStrictEqual(others, [])
        assert.deepStrictEqual([limit?.address, limit?.action, limit?.needs, limit?.lines], [
          "relay/toma/memory-limit",
          "update",
          ["relay/toma/drop-in", "relay/toma/unit"],
          ["- MemoryMax=3758096384", "+ MemoryMax=1341128704"]
        ])
        assert.strictEqual(text(), rightOf("toma"))
        assert.deepStrictEqual(yield* passOf(DropIns, CHEESES), [])
        // One relay again.
        assert.deepStrictEqual((yield* passOf(DropIns, ["toma"])).find(({ action }) => action === "update")?.lines, [
          "- MemoryMax=1341128704",
          "+ MemoryMax=3758096384"
        ])
        assert.deepStrictEqual(yield* passOf(MemoryLimits, ["toma"]), [])
      }).pipe(Effect.provide(layer))
    }))

  it.effect("a drop-in that is wrong otherwise is put right with the limit that it has", () =>
    Effect.gen(function*() {
      const { files, layer } = worldOf([{ name: "toma", file: "roomy", known: "loaded and noted" }])(new Set())
      const toma = RelayName.make("toma")
      const there = files.get(toma)
      if (there?.type === "file") Object.assign(there, { content: there.content.replace("PrivateIPC=yes\n", "") })
      const plan = yield* Effect.provide(kind.plan(inputFor(CHEESES)), layer)
      assert.deepStrictEqual(plan.changes[0]?.lines, ["+ PrivateIPC=yes"])
      yield* Effect.provide(plan.apply(() => true), layer)
      const now = files.get(toma)
      assert.strictEqual(now?.type === "file" ? now.content : "", roomyOf("toma"))
    }))

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

describe("limits of memory, by the laws of every kind", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, and no relay has more than it should, ${said}`,
      [Wanted, Start],
      ([wanted, start]) =>
        kindLaws(MemoryLimits, inputFor(wanted), worldOf(start), ({ files }, failed) => {
          for (const name of wanted) {
            const file = files.get(RelayName.make(name))
            if (failed.has(`relay/${name}/memory-limit`) || file?.type !== "file") continue
            assert.isFalse(
              file.content.startsWith(OWNED_HEADER) && leavesMore(file.content, expected(wanted, name) ?? "")
            )
          }
        }, kills),
      runs
    )
  }
})

const expected = (wanted: ReadonlyArray<string>, name: string): string | undefined =>
  desiredDropIns(inputFor(wanted)).find(({ value }) => value.relay === name)?.value.content

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
