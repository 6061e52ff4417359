import { assert, describe, it } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { RelayName, unitOf } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { HostCommand } from "../src/host/HostCommand.ts"
import { FileNotWritten } from "../src/host/ReplaceFile.ts"
import { BootstrapReader } from "../src/units/BootstrapReader.ts"
import { InstanceReader, type InstanceTorrc } from "../src/units/InstanceReader.ts"
import { loadedFrom, type LoadedTorrc } from "../src/units/LoadedTorrc.ts"
import { RunningTor, TorRefused } from "../src/units/RunningTor.ts"
import { signalOf, SystemdReader } from "../src/units/SystemdReader.ts"
import { SystemdWriter, UnitJobFailed } from "../src/units/SystemdWriter.ts"
import { UnitLedgerReader, UnitLedgerWriter } from "../src/units/UnitLedger.ts"
import { Units } from "../src/units/Units.ts"
import { isManaged } from "../src/units/UnitStep.ts"
import { type Broken, CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

type Services =
  | BootstrapReader
  | Monitors
  | HostCommand
  | InstanceReader
  | RunningTor
  | SystemdReader
  | SystemdWriter
  | UnitLedgerReader
  | UnitLedgerWriter

const kind: Kind<Services, Services> = Units

const NAMES = ["brie", "toma", "fontina", "asiago"].map((name) => RelayName.make(name))
const SECRET = "16:C0FFEEC0FFEE"
const TORRCS = [
  "ORPort 1.2.3.4:1\n",
  "ORPort 1.2.3.4:1\nRelayBandwidthRate 1 MB\n",
  "Address 1.2.3.5\nORPort 1.2.3.5:1\n"
]

const State = Schema.Struct({
  wanted: Schema.Boolean,
  active: Schema.Literals(["active", "inactive", "failed", "activating"]),
  torrc: Schema.Literals([0, 1, 2]),
  loaded: Schema.NullOr(Schema.Literals([0, 1, 2])),
  managed: Schema.Boolean,
  /** Its tor has a control socket. */
  heard: Schema.Boolean,
  startedAt: Schema.Literals([1, 3])
})
const States = Schema.Tuple([State, State, State, State])

const loadedAt = (index: number): LoadedTorrc => loadedFrom(`${TORRCS[index] ?? ""}HashedControlPassword ${SECRET}\n`)

interface FakeUnit {
  active: string
  readonly heard: boolean
  startedAt: number
  readonly torrc: InstanceTorrc
}

interface UnitWorld extends World<Services> {
  /** What became of units, one line a job. */
  readonly jobs: ReadonlyArray<string>
  readonly activeOf: (name: RelayName) => string | undefined
}

/** systemd in memory. A broken relay's unit neither starts nor stops, and the ledger cannot be told of it. */
const worldOf = (states: typeof States.Type) => (broken: Broken): UnitWorld => {
  const host = new FakeHost()
  const stateOf = new Map(NAMES.flatMap((name, index) => {
    const state = states[index]
    return state === undefined ? [] : [[name, state] as const]
  }))
  const units = new Map(
    [...stateOf].map(([name, { active, heard, managed, startedAt, torrc }]): [RelayName, FakeUnit] => [
      name,
      { active, heard, startedAt, torrc: { content: loadedAt(torrc), changedAt: 2, managed } }
    ])
  )
  const ledger = new Map(
    [...stateOf].flatMap(([name, { loaded }]) => loaded === null ? [] : [[name, loadedAt(loaded)] as const])
  )
  const foreign = [...stateOf].flatMap(([name, { loaded, managed, wanted }]) =>
    wanted || managed || loaded !== null ? [] : [name]
  )
  const jobs: Array<string> = []
  const argv: Array<string> = []

  const nameIn = (unit: string): RelayName => RelayName.make(unit.slice("tor@".length, -".service".length))
  const job = (word: string, active: string, begins: boolean) => (unit: string) =>
    Effect.gen(function*() {
      const name = nameIn(unit)
      const it = units.get(name)
      if (it === undefined) return
      if (broken.has(name)) {
        if (begins) it.active = "failed"
        return yield* new UnitJobFailed({ unit, result: "failed", message: "it is broken" })
      }
      yield* host.write(() => {
        jobs.push(`${word} ${name}`)
        it.active = active
        if (begins) it.startedAt = 3
      })
    })
  const layer = Layer.mergeAll(
    noMonitors,
    Layer.succeed(SystemdReader, {
      list: Effect.sync(() =>
        [...units].map(([name, { active }]) => ({ unit: unitOf(name), active, sub: active, path: `/${name}` }))
          .concat({ unit: "tor@default.service", active: "active", sub: "running", path: "/default" })
      ),
      startedAt: ({ unit }) => Effect.sync(() => units.get(nameIn(unit))?.startedAt ?? 0),
      changes: Stream.never
    }),
    Layer.succeed(InstanceReader, {
      read: (names) =>
        Effect.sync(() =>
          new Map(names.flatMap((name) => {
            const unit = units.get(name)
            return unit === undefined ? [] : [[name, unit.torrc] as const]
          }))
        )
    }),
    Layer.succeed(UnitLedgerReader, { read: Effect.sync(() => new Map(ledger)) }),
    Layer.succeed(UnitLedgerWriter, {
      loaded: (name, torrc) =>
        broken.has(name)
          ? Effect.fail(new FileNotWritten({ path: "units.json", message: "it is broken" }))
          : host.write(() => ledger.set(name, torrc)),
      forget: (name) => ledger.has(name) ? host.write(() => ledger.delete(name)) : Effect.void
    }),
    Layer.succeed(BootstrapReader, { isBootstrapped: () => Effect.succeed(false) }),
    Layer.succeed(RunningTor, {
      take: Effect.fnUntraced(function*(name: RelayName) {
        const unit = units.get(name)
        if (broken.has(name)) return yield* new TorRefused({ relay: name, message: "it is broken" })
        if (unit?.heard !== true) return Option.none()
        yield* host.write(() => void jobs.push(`tell ${name}`))
        return Option.some(unit.torrc.content)
      })
    }),
    Layer.succeed(SystemdWriter, {
      start: job("start", "active", true),
      restart: job("restart", "active", true),
      reload: job("reload", "active", false),
      stop: job("stop", "inactive", false)
    }),
    Layer.succeed(HostCommand, {
      run: (program, args) =>
        Effect.sync(() => {
          argv.push(program, ...args)
          return ""
        }),
      attempt: () => Effect.die("not asked for"),
      ask: () => Effect.succeedNone
    })
  )
  return {
    host,
    layer,
    jobs,
    activeOf: (name) => units.get(name)?.active,
    foreign: () => foreign.map((name) => [units.get(name), jobs.filter((line) => line.endsWith(` ${name}`))]),
    secrets: [SECRET],
    argv: () => argv
  }
}

const inputOf = (states: typeof States.Type): DesiredInput =>
  nodeInput(NAMES.flatMap((name, slot) => states[slot]?.wanted === true ? [relayAt(slot, name)] : []))

describe("units", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, ${said}`,
      [States],
      ([states]) =>
        Effect.gen(function*() {
          const input = inputOf(states)
          const failed = yield* kindLaws(kind, input, worldOf(states), ({ activeOf }) => {
            for (const { name } of input.config.relays) assert.strictEqual(activeOf(name), "active")
          }, kills)
          assert.deepEqual([...failed], [])
        }),
      runs
    )
  }

  it.effect("a running relay is told where it listens, reloaded where that does, and restarted where it must be", () =>
    Effect.gen(function*() {
      const still = { wanted: true, active: "active", managed: true, heard: false, startedAt: 1 } as const
      const states = [
        { ...still, loaded: 0, torrc: 1 },
        { ...still, loaded: 0, torrc: 2 },
        { ...still, loaded: 0, torrc: 1, heard: true },
        { ...still, loaded: null, torrc: 0, startedAt: 3 }
      ] as const
      const { jobs, layer } = worldOf(states)(new Set())
      const plan = yield* Effect.provide(kind.plan(inputOf(states)), layer)
      yield* Effect.provide(plan.apply(() => true), layer)
      assert.deepEqual(jobs, ["reload brie", "tell fontina", "restart toma"])
    }))
})

describe("what the bus says", () => {
  it("is heard where it is about an instance of tor, or where it may be incomplete", () => {
    const path = "/org/freedesktop/systemd1"
    const changed = (unit: string) =>
      signalOf({ event: "signal", path: `${path}/unit/${unit}`, member: "PropertiesChanged", body: [] })
    assert.strictEqual(changed("tor_40brie_2eservice"), "look again")
    assert.isUndefined(changed("ssh_2eservice"))
    const removed = (unit: string) =>
      signalOf({ event: "signal", path, member: "JobRemoved", body: [1, `${path}/job/1`, unit, "done"] })
    assert.strictEqual(removed("tor@brie.service"), "look again")
    assert.isUndefined(removed("tor.service"))
    assert.strictEqual(signalOf({ event: "lost" }), "events lost")
    assert.isUndefined(signalOf({ event: "signal", path, member: "JobRemoved", body: "nonsense" }))
  })

  it("is Patela's only with a header or an entry in the ledger", () => {
    const base = {
      name: RelayName.make("brie"),
      unit: "tor@brie.service",
      active: "active",
      sub: "",
      startedAt: undefined
    }
    const torrc = (managed: boolean) => ({ content: loadedFrom(""), changedAt: 0, managed })
    assert.isFalse(isManaged({ ...base, torrc: torrc(false), loaded: undefined }))
    assert.isTrue(isManaged({ ...base, torrc: torrc(true), loaded: undefined }))
    assert.isTrue(isManaged({ ...base, torrc: undefined, loaded: loadedFrom("") }))
  })
})
