import { assert, describe, it } from "@effect/vitest"
import { RelayName, unitOf } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { HostCommand } from "../src/host/HostCommand.ts"
import { BootstrapReader } from "../src/units/BootstrapReader.ts"
import { InstanceReader, type InstanceTorrc } from "../src/units/InstanceReader.ts"
import { dropInDigest, hasOtherFamilies, loadedFrom, type LoadedTorrc } from "../src/units/LoadedTorrc.ts"
import { RunningTor, TorRefused } from "../src/units/RunningTor.ts"
import { SystemdReader } from "../src/units/SystemdReader.ts"
import { type Manner, SystemdWriter, UnitJobFailed } from "../src/units/SystemdWriter.ts"
import { type UnitEntry, UnitLedgerReader, UnitLedgerWriter } from "../src/units/UnitLedger.ts"
import { Units } from "../src/units/Units.ts"
import { isForgiven, type ObservedUnit, unitStepOf } from "../src/units/UnitStep.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"

const TOMA = RelayName.make("toma")
const TORRCS = [
  "ORPort 1.2.3.4:9001\n",
  "ORPort 1.2.3.4:9001\nRelayBandwidthRate 1 MB\n",
  "Address 1.2.3.5\nORPort 1.2.3.5:9001\n",
  "ORPort 1.2.3.4:9002\n"
]
const DROP_INS = ["[Service]\nCPUAffinity=0\nMemoryMax=1\n", "[Service]\nCPUAffinity=1\nMemoryMax=1\n"]

const Inputs = Schema.Struct({
  torrc: Schema.Literals([0, 1, 2]),
  dropIn: Schema.Literals([0, 1, "none"])
})
type Inputs = typeof Inputs.Type
const Known = Schema.NullOr(Schema.Struct({ ...Inputs.fields, tried: Schema.Boolean }))

const Family = Schema.Struct({
  ids: Schema.Literals(["", "a", "b", "b a", "a b"]),
  members: Schema.Literals(["", "MyFamily $A\n", "MyFamily $A\nMyFamily $B\n"])
})
const familyTorrc = ({ ids, members }: typeof Family.Type): string =>
  `ORPort 1.2.3.4:1\n${ids.split(" ").filter(Boolean).map((id) => `FamilyId ${id}\n`).join("")}${members}`

const contentOf = ({ dropIn, torrc }: Inputs) => ({
  ...loadedFrom(TORRCS[torrc] ?? ""),
  ...(dropIn === "none" ? {} : { dropIn: dropInDigest(DROP_INS[dropIn] ?? "") })
})
const onDisk = (inputs: Inputs, changedAt = 2): InstanceTorrc => ({
  content: contentOf(inputs),
  changedAt,
  managed: true
})
const entryOf = (known: typeof Known.Type): UnitEntry | undefined =>
  known === null ? undefined : { ...contentOf(known), ...(known.tried ? { tried: true as const } : {}) }

const unitWith = (known: typeof Known.Type, inputs: Inputs, more: Partial<ObservedUnit> = {}): ObservedUnit => ({
  name: TOMA,
  unit: unitOf(TOMA),
  active: "active",
  sub: "running",
  torrc: onDisk(inputs),
  loaded: entryOf(known),
  startedAt: undefined,
  ...more
})

describe("what a unit needs", () => {
  it.prop("a running one with another drop-in than it was started with is restarted, whatever its torrc", [
    Inputs,
    Inputs
  ], ([then, now]) => {
    const step = unitStepOf(unitWith({ ...then, tried: false }, now))
    const other = now.dropIn !== "none" && now.dropIn !== then.dropIn
    if (other) assert.strictEqual(step, "restart")
    else if (then.torrc === now.torrc) assert.strictEqual(step, "none")
    else assert.strictEqual(step, then.torrc === 2 || now.torrc === 2 ? "restart" : "reload")
  })

  it.prop("one that is to declare other families is not restarted for it", [Family, Family], ([then, now]) => {
    const [loaded, content] = [loadedFrom(familyTorrc(then)), loadedFrom(familyTorrc(now))]
    const unit = unitWith(null, { torrc: 0, dropIn: "none" }, {
      loaded,
      torrc: { content, changedAt: 2, managed: true }
    })
    assert.strictEqual(unitStepOf(unit), familyTorrc(then) === familyTorrc(now) ? "none" : "reload")
    const ids = ({ ids }: typeof Family.Type) => ids.split(" ").toSorted().join()
    assert.strictEqual(hasOtherFamilies(loaded, content), ids(then) !== ids(now))
  })

  it.prop("one that was only tried is taken over if it began after its files were written, and else restarted", [
    Inputs,
    Inputs,
    Schema.Literals([1, 3])
  ], ([then, now, startedAt]) => {
    const step = unitStepOf(unitWith({ ...then, tried: true }, now, { startedAt }))
    assert.strictEqual(step, startedAt > 2 ? "adopt" : "restart")
  })

  it.prop("a failed one is forgiven only where it was not tried with these very files", [Known, Inputs], ([
    known,
    now
  ]) => {
    const same = known !== null && known.torrc === now.torrc && (now.dropIn === "none" || known.dropIn === now.dropIn)
    assert.strictEqual(isForgiven(entryOf(known), onDisk(now)), !same)
  })

  it("another limit of memory alone is no other drop-in: systemd gives it to a running unit", () => {
    const [text = ""] = DROP_INS
    assert.strictEqual(dropInDigest(text), dropInDigest(text.replace("MemoryMax=1", "MemoryMax=2")))
    assert.notStrictEqual(dropInDigest(text), dropInDigest(text.replace("CPUAffinity=0", "CPUAffinity=1")))
  })
})

/** One unit that cannot start, or can, and what was asked of systemd. */
const simulate = (start: {
  active: string
  torrc: InstanceTorrc
  entry: UnitEntry | undefined
  broken: boolean
  /** What becomes of a command on the control socket. */
  control?: "taken" | "refused" | "away"
}) => {
  const state = { ...start }
  const ledger = new Map(start.entry === undefined ? [] : [[TOMA, start.entry] as const])
  const asked: Array<string> = []
  let ledgerWrites = 0
  const starting = (word: string) => (unit: string, how: Manner) =>
    Effect.gen(function*() {
      asked.push(`${word}, ${how}`)
      state.active = state.broken ? "failed" : "active"
      if (state.broken) return yield* new UnitJobFailed({ unit, result: "failed", message: "it is broken" })
    })
  const layer = Layer.mergeAll(
    Layer.succeed(BootstrapReader, { isBootstrapped: () => Effect.succeed(false) }),
    Layer.succeed(RunningTor, {
      take: Effect.fnUntraced(function*(relay: RelayName) {
        const { control = "away" } = state
        asked.push(`tell, ${control}`)
        if (control === "refused") return yield* new TorRefused({ relay, message: "513 it cannot bind" })
        return control === "away" ? Option.none() : Option.some(loadedFrom(TORRCS[1] ?? ""))
      })
    }),
    Layer.succeed(SystemdReader, {
      list: Effect.sync(() => [{ unit: unitOf(TOMA), active: state.active, sub: "", path: "/toma" }]),
      startedAt: () => Effect.succeed(1),
      changes: Stream.never
    }),
    Layer.succeed(SystemdWriter, {
      start: starting("start"),
      restart: starting("restart"),
      reload: () => Effect.sync(() => void asked.push("reload")),
      stop: () => Effect.sync(() => void asked.push("stop"))
    }),
    Layer.succeed(InstanceReader, { read: () => Effect.sync(() => new Map([[TOMA, state.torrc]])) }),
    Layer.succeed(UnitLedgerReader, { read: Effect.sync(() => new Map(ledger)) }),
    Layer.succeed(UnitLedgerWriter, {
      loaded: (name, entry) =>
        Effect.sync(() => {
          ledgerWrites++
          ledger.set(name, entry)
        }),
      forget: (name) => Effect.sync(() => void ledger.delete(name))
    }),
    Layer.succeed(HostCommand, {
      run: () => Effect.succeed(""),
      attempt: () => Effect.succeed({ exitCode: 0, stdout: "", stderr: "" }),
      ask: () => Effect.succeedNone
    })
  )
  const pass = Effect.gen(function*() {
    return yield* (yield* Units.plan(nodeInput([relayAt(0, TOMA)]))).apply(() => true)
  }).pipe(Effect.provide(layer))
  return { state, asked, ledger, layer, pass, writes: () => ledgerWrites }
}

describe("a unit that cannot start", () => {
  it.effect("is forgiven at the first try and after its files changed, and not otherwise", () =>
    Effect.gen(function*() {
      const { asked, ledger, pass, state, writes } = simulate({
        active: "failed",
        torrc: onDisk({ torrc: 0, dropIn: 0 }),
        entry: undefined,
        broken: true
      })
      yield* pass
      const count = writes()
      yield* pass
      yield* pass
      assert.deepStrictEqual(asked.splice(0), ["start, forgiven", "start, as it is", "start, as it is"])
      assert.strictEqual(writes(), count, "the same failure again is not written again")
      assert.isTrue(ledger.get(TOMA)?.tried)

      state.torrc = onDisk({ torrc: 1, dropIn: 0 })
      yield* pass
      yield* pass
      assert.deepStrictEqual(asked.splice(0), ["start, forgiven", "start, as it is"])

      state.torrc = onDisk({ torrc: 1, dropIn: 1 })
      state.broken = false
      const outcomes = yield* pass
      assert.deepStrictEqual(asked.splice(0), ["start, forgiven"])
      assert.isTrue(outcomes.get("relay/toma/unit")?.done)
      assert.isUndefined(ledger.get(TOMA)?.tried)
      yield* pass
      assert.deepStrictEqual(asked, [])
    }))

  it.effect("one that ran with these files and then failed is started, and systemd's limit left to hold", () =>
    Effect.gen(function*() {
      const torrc = onDisk({ torrc: 0, dropIn: 0 })
      const { asked, pass } = simulate({ active: "failed", torrc, entry: torrc.content, broken: false })
      yield* pass
      assert.deepStrictEqual(asked, ["start, as it is"])
    }))
})

describe("a relay that runs", () => {
  it.effect("is reloaded only when its addresses, routes, source and drop-in are in place: the engine sees to its needs", () =>
    Effect.gen(function*() {
      const torrc = onDisk({ torrc: 1, dropIn: 0 })
      const entry = contentOf({ torrc: 0, dropIn: 0 })
      const { layer } = simulate({ active: "active", torrc, entry, broken: false })
      const { changes } = yield* Effect.provide(Units.plan(nodeInput([relayAt(0, TOMA)])), layer)
      assert.deepStrictEqual(changes.map(({ action, lines, reason }) => [action, reason, lines]), [
        ["update", "dependency changed", ["its torrc changed: reload"]]
      ])
      const needs = new Set(changes[0]?.needs)
      for (const kind of ["address-v4", "address-v6", "source-nat", "torrc", "drop-in", "identity", "account"]) {
        assert.isTrue(needs.has(`relay/toma/${kind}`), kind)
      }
    }))
})

describe("a relay whose torrc changed in what a running tor can change", () => {
  const [before, more, listener] = [0, 1, 3].map((index) => loadedFrom(TORRCS[index] ?? ""))
  const running = (content: LoadedTorrc | undefined, control: "taken" | "refused" | "away") =>
    simulate({
      active: "active",
      torrc: { content: content ?? loadedFrom(""), changedAt: 2, managed: true },
      entry: { ...before ?? loadedFrom(""), dropIn: "as it was started with" },
      broken: false,
      control
    })

  it.effect("is told so, and the ledger says that it has it now, with the drop-in that it was started with", () =>
    Effect.gen(function*() {
      const { asked, ledger, pass } = running(more, "taken")
      const outcomes = yield* pass
      assert.deepStrictEqual([...outcomes.values()], [{ done: true }])
      assert.deepStrictEqual(asked, ["tell, taken"])
      assert.deepStrictEqual(ledger.get(TOMA), { ...loadedFrom(TORRCS[1] ?? ""), dropIn: "as it was started with" })
      yield* pass
      assert.deepStrictEqual(asked, ["tell, taken"])
    }))

  it.effect("fails in tor's words where tor refuses, and is neither reloaded nor restarted", () =>
    Effect.gen(function*() {
      for (const content of [more, listener]) {
        const { asked, ledger, pass } = running(content, "refused")
        const outcomes = yield* pass
        assert.deepStrictEqual([...outcomes.values()], [{ done: false, message: "513 it cannot bind" }])
        assert.deepStrictEqual(asked, ["tell, refused"])
        assert.strictEqual(ledger.get(TOMA)?.digest, before?.digest, "so it is tried again")
      }
    }))

  it.effect("without a control socket is reloaded, and restarted for another port", () =>
    Effect.gen(function*() {
      for (const [content, asks] of [[more, "reload"], [listener, "restart, forgiven"]] as const) {
        const { asked, ledger, pass } = running(content, "away")
        yield* pass
        assert.deepStrictEqual(asked, ["tell, away", asks])
        assert.strictEqual(ledger.get(TOMA)?.digest, content?.digest)
      }
    }))
})
