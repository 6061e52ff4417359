import { assert, describe, it } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { RelayName, unitOf } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Effect, Layer, Schema, Stream } from "effect"
import { HostCommand } from "../src/host/HostCommand.ts"
import { InstanceReader, type InstanceTorrc } from "../src/units/InstanceReader.ts"
import { loadedFrom, type LoadedTorrc } from "../src/units/LoadedTorrc.ts"
import { signalOf, SystemdReader } from "../src/units/SystemdReader.ts"
import { SystemdWriter, UnitJobFailed } from "../src/units/SystemdWriter.ts"
import { UnitLedgerReader, UnitLedgerWriter } from "../src/units/UnitLedger.ts"
import { Units } from "../src/units/Units.ts"
import { isManaged } from "../src/units/UnitStep.ts"

const NAMES = ["brie", "toma", "fontina", "asiago"].map((name) => RelayName.make(name))
const TORRCS = ["ORPort 1.2.3.4:1\n", "ORPort 1.2.3.4:1\nRelayBandwidthRate 1 MB\n", "ORPort 1.2.3.4:2\n"]

const State = Schema.Struct({
  wanted: Schema.Boolean,
  active: Schema.Literals(["active", "inactive", "failed", "activating"]),
  torrc: Schema.Literals([0, 1, 2]),
  loaded: Schema.NullOr(Schema.Literals([0, 1, 2])),
  managed: Schema.Boolean,
  startedAt: Schema.Literals([1, 3]),
  broken: Schema.Boolean
})
const States = Schema.Tuple([State, State, State, State])

const textOf = (index: number): string => TORRCS[index] ?? ""

interface Simulated {
  active: string
  startedAt: number
  readonly torrc: InstanceTorrc
  readonly broken: boolean
}

/** A host in memory that dies before its `lifetime`-th write. */
const simulate = (states: typeof States.Type) => {
  const units = new Map(NAMES.flatMap((name, index): ReadonlyArray<[RelayName, Simulated]> => {
    const state = states[index]
    if (state === undefined) return []
    const { active, broken, managed, startedAt, torrc } = state
    return [[name, {
      active,
      broken,
      startedAt,
      torrc: { content: loadedFrom(textOf(torrc)), changedAt: 2, managed }
    }]]
  }))
  const ledger = new Map(NAMES.flatMap((name, index): ReadonlyArray<[RelayName, LoadedTorrc]> => {
    const loaded = states[index]?.loaded
    return loaded === undefined || loaded === null ? [] : [[name, loadedFrom(textOf(loaded))]]
  }))
  const log: Array<string> = []
  let lifetime = Infinity
  const writing = <A>(line: string, act: () => A) =>
    Effect.suspend(() => {
      if (lifetime <= 0) return Effect.die("killed")
      lifetime--
      log.push(line)
      return Effect.sync(act)
    })
  const nameIn = (unit: string): RelayName => RelayName.make(unit.slice("tor@".length, -".service".length))
  const job = (word: string, active: string, restarts: boolean) => (unit: string) =>
    Effect.gen(function*() {
      const it = units.get(nameIn(unit))
      if (it === undefined) return
      if (it.broken && active === "active") {
        it.active = "failed"
        return yield* new UnitJobFailed({ unit, result: "failed", message: "it is broken" })
      }
      yield* writing(`${word} ${nameIn(unit)}`, () => {
        it.active = active
        if (restarts) it.startedAt = 3
      })
    })
  const layer = Layer.mergeAll(
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
      loaded: (name, torrc) => writing("ledger", () => void ledger.set(name, torrc)),
      forget: (name) => ledger.has(name) ? writing("ledger", () => void ledger.delete(name)) : Effect.void
    }),
    Layer.succeed(SystemdWriter, {
      start: job("start", "active", true),
      restart: job("restart", "active", true),
      reload: job("reload", "active", false),
      stop: job("stop", "inactive", false)
    }),
    Layer.succeed(HostCommand, {
      run: () => Effect.succeed(""),
      attempt: () => Effect.succeed({ exitCode: 0, stdout: "", stderr: "" })
    })
  )
  const wanted = NAMES.filter((_, index) => states[index]?.wanted === true)
  return { units, log, layer, wanted, ledger, live: (writes: number) => void (lifetime = writes) }
}

const inputFor = (names: ReadonlyArray<RelayName>): DesiredInput => ({
  configIsNew: false,
  facts: { cpus: 2, memory: 2 ** 32, relayInterface: { found: true, name: "ens0" } },
  config: {
    geoip: false,
    test_network: false,
    generation: 1,
    removed: [],
    network: { gateway_v4: V4, gateway_v6: null, prefix_v4: 24, prefix_v6: null, dns: [], pools: [] },
    relays: names.map((name, index) => ({
      name,
      slot: Slot.make(index),
      ip_v4: V4,
      ip_v6: null,
      or_port: 9001,
      dir_port: null,
      torrc: "",
      fingerprint: null
    }))
  }
})
const V4 = Ipv4.make("192.0.2.1")

const pass = Effect.fnUntraced(function*(wanted: ReadonlyArray<RelayName>) {
  const plan = yield* Units.plan(inputFor(wanted))
  return yield* plan.apply(() => true)
})

const sound = (states: typeof States.Type): typeof States.Type => {
  const mended = ([one, two, three, four]: typeof States.Type) =>
    [one, two, three, four].map((state) => ({ ...state, broken: false }))
  return Schema.decodeUnknownSync(States)(mended(states))
}

describe("units, by the laws of every kind", () => {
  it.effect.prop(
    "after apply nothing is left to do, and nothing is written again",
    [States],
    ([states]) =>
      Effect.gen(function*() {
        const { layer, log, units, wanted } = simulate(sound(states))
        yield* Effect.gen(function*() {
          yield* pass(wanted)
          assert.deepEqual((yield* Units.plan(inputFor(wanted))).changes, [])
          const writes = log.length
          yield* pass(wanted)
          assert.strictEqual(log.length, writes)
          for (const name of wanted) assert.strictEqual(units.get(name)?.active, "active")
        }).pipe(Effect.provide(layer))
      })
  )

  it.effect.prop("what is not Patela's is left alone", [States], ([states]) =>
    Effect.gen(function*() {
      const { layer, log, wanted } = simulate(sound(states))
      yield* Effect.provide(pass(wanted), layer)
      NAMES.forEach((name, index) => {
        const state = states[index]
        if (state === undefined || state.wanted || state.managed || state.loaded !== null) return
        assert.isFalse(log.some((line) => line.endsWith(` ${name}`)), log.join())
      })
    }))

  it.effect.prop("killed after any write it converges on the next run", [
    States,
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 12 })))
  ], ([states, writes]) =>
    Effect.gen(function*() {
      const { layer, live, wanted } = simulate(sound(states))
      yield* Effect.gen(function*() {
        live(writes)
        yield* Effect.exit(pass(wanted))
        live(Infinity)
        yield* pass(wanted)
        assert.deepEqual((yield* Units.plan(inputFor(wanted))).changes, [])
      }).pipe(Effect.provide(layer))
    }))

  it.effect.prop(
    "one that cannot start changes nothing for the others",
    [States],
    ([states]) =>
      Effect.gen(function*() {
        const ailing = simulate(states)
        const healthy = simulate(sound(states))
        const outcomes = yield* Effect.provide(pass(ailing.wanted), ailing.layer)
        yield* Effect.provide(pass(healthy.wanted), healthy.layer)
        NAMES.forEach((name, index) => {
          if (states[index]?.broken === true) return
          assert.strictEqual(ailing.units.get(name)?.active, healthy.units.get(name)?.active)
          assert.isTrue(outcomes.get(`relay/${name}/unit`)?.done ?? true)
        })
      })
  )

  it.effect("a running relay is reloaded where that does, and restarted where it must be", () =>
    Effect.gen(function*() {
      const still = { wanted: true, active: "active", managed: true, startedAt: 1, broken: false } as const
      const { layer, log, wanted } = simulate([
        { ...still, loaded: 0, torrc: 1 },
        { ...still, loaded: 0, torrc: 2 },
        { ...still, loaded: 2, torrc: 2 },
        { ...still, loaded: null, torrc: 0, startedAt: 3 }
      ])
      yield* Effect.provide(pass(wanted), layer)
      assert.deepEqual(log.filter((line) => line !== "ledger"), ["reload brie", "restart toma"])
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
