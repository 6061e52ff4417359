import { assert, describe, it } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { Effect, Layer, Schema, Stream } from "effect"
import { ConntrackSettings } from "../src/kernel-settings/ConntrackSettings.ts"
import { desiredConntrackSettings } from "../src/kernel-settings/desiredSettings.ts"
import { KernelSettings } from "../src/kernel-settings/KernelSettings.ts"
import { LinkSettings } from "../src/kernel-settings/LinkSettings.ts"
import { parsePorts, union } from "../src/kernel-settings/PortList.ts"
import { nameOf, type SettingValue, wantedText } from "../src/kernel-settings/Setting.ts"
import { SettingLedgerReader, SettingLedgerWriter, type SettingRecord } from "../src/kernel-settings/SettingLedger.ts"
import { SettingReader } from "../src/kernel-settings/SettingReader.ts"
import { SettingWriter } from "../src/kernel-settings/SettingWriter.ts"
import { CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"

type Services = SettingLedgerReader | SettingLedgerWriter | SettingReader | SettingWriter

const PATHS = {
  reserved: "net/ipv4/ip_local_reserved_ports",
  range: "net/ipv4/ip_local_port_range",
  backlog: "net/core/somaxconn",
  advertisements: "net/ipv6/conf/ens0/accept_ra",
  strictness: "net/ipv4/conf/ens0/rp_filter",
  strictnessOfAll: "net/ipv4/conf/all/rp_filter",
  buckets: "net/netfilter/nf_conntrack_buckets",
  flows: "net/netfilter/nf_conntrack_max"
} as const

const KEYS = [
  "reserved",
  "range",
  "backlog",
  "advertisements",
  "strictness",
  "strictnessOfAll",
  "buckets",
  "flows"
] as const satisfies ReadonlyArray<keyof typeof PATHS>

/** A kernel's settings, each as some host may have it: absent, or with a value, to be written or not. */
const setting = (...texts: ReadonlyArray<string>) =>
  Schema.NullOr(Schema.Struct({ text: Schema.Literals(texts), writable: Schema.Boolean }))
const Host = Schema.Struct({
  reserved: setting("", "9001", "8080,10000-10600", "1-2,4-65535"),
  range: setting("32768\t60999", "1024\t65535", "40000\t40001", "odd"),
  backlog: setting("128", "4096", "65535", "?"),
  advertisements: setting("0", "1", "2"),
  strictness: setting("0", "1", "2"),
  strictnessOfAll: setting("0", "1", "2"),
  buckets: setting("65536", "262144", "99999744"),
  flows: setting("65536", "262144", "99999999")
})
type Host = typeof Host.Type

const KINDS = {
  "kernel-settings": KernelSettings,
  "link-settings": LinkSettings,
  "conntrack-settings": ConntrackSettings
}
const KindName = Schema.Literals(["kernel-settings", "link-settings", "conntrack-settings"])
const kindOf = (name: typeof KindName.Type): Kind<Services, Services> => KINDS[name]

interface SettingsWorld extends World<Services> {
  readonly values: Map<string, SettingValue>
  readonly records: ReadonlyMap<string, SettingRecord>
}

const OTHERS = "kernel/hostname"

const worldOf = (start: Host) => (): SettingsWorld => {
  const host = new FakeHost({})
  const values = new Map<string, SettingValue>([[OTHERS, { text: "cantina", writable: true }]])
  for (const key of KEYS) {
    const found = start[key]
    if (found !== null) values.set(PATHS[key], found)
  }
  const records = new Map<string, SettingRecord>()
  const layer = Layer.mergeAll(
    Layer.succeed(SettingReader, {
      read: (_kind, paths) =>
        Effect.sync(() =>
          new Map(paths.flatMap((path) => {
            const value = values.get(path)
            return value === undefined ? [] : [[path, value] as const]
          }))
        ),
      changes: () => Stream.never
    }),
    Layer.succeed(SettingWriter, {
      write: (path, text) => host.write(() => void values.set(path, { text, writable: true }))
    }),
    Layer.succeed(SettingLedgerReader, { read: Effect.sync(() => new Map(records)) }),
    Layer.succeed(SettingLedgerWriter, {
      record: (added) =>
        host.write(() => {
          for (const [path, record] of added) records.set(path, record)
        }),
      forget: (paths) =>
        host.write(() => {
          for (const path of paths) records.delete(path)
        })
    })
  )
  const foreign = () =>
    [...values].filter(([path, { writable }]) => !writable || path === OTHERS || path === PATHS.strictnessOfAll)
  return { host, layer, values, records, foreign }
}

const Relays = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 8 })))

const inputFor = (relays: number, link = "ens0"): DesiredInput => {
  const input = nodeInput(Array.from({ length: relays }, (_, slot) => relayAt(slot, `toma${slot}`)))
  return { ...input, facts: { ...input.facts, relayInterface: { found: true, name: link } } }
}

const pass = Effect.fnUntraced(function*(kind: Kind<Services, Services>, input: DesiredInput) {
  const plan = yield* kind.plan(input)
  return yield* plan.apply(() => true)
})

const textsOf = ({ values }: SettingsWorld) => Object.fromEntries([...values].map(([path, { text }]) => [path, text]))

describe("kernel settings, by the laws of every kind", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, ${said}`,
      [KindName, Relays, Host],
      ([name, relays, start]) => kindLaws(kindOf(name), inputFor(relays), worldOf(start), undefined, kills),
      runs
    )
  }

  it.effect.prop("numbers only rise, ranges only widen, and nothing is asked of what cannot be changed", [
    KindName,
    Relays,
    Host
  ], ([name, relays, start]) =>
    Effect.gen(function*() {
      const world = worldOf(start)()
      const before = textsOf(world)
      const outcomes = yield* Effect.provide(pass(kindOf(name), inputFor(relays)), world.layer)
      for (const outcome of outcomes.values()) assert.isTrue(outcome.done)
      const after = textsOf(world)
      for (const path of [PATHS.backlog, PATHS.buckets, PATHS.flows]) {
        if (/^\d+$/.test(before[path] ?? "")) assert.isAtLeast(Number(after[path]), Number(before[path]))
        else assert.strictEqual(after[path], before[path])
      }
      const [oldLow = 0, oldHigh = 0] = (before[PATHS.range] ?? "0\t0").split("\t").map(Number)
      const [low = 0, high = 0] = (after[PATHS.range] ?? "0\t0").split("\t").map(Number)
      if (!Number.isNaN(oldLow)) assert.isTrue(low <= oldLow && high >= oldHigh)
      const had = parsePorts(before[PATHS.reserved] ?? "") ?? []
      const has = parsePorts(after[PATHS.reserved] ?? "") ?? []
      assert.deepStrictEqual(union(has, had), union(has, []))
    }))

  it.effect.prop("with no relays wanted any more every setting is what it was", [KindName, Relays, Relays, Host], ([
    name,
    relays,
    others,
    start
  ]) =>
    Effect.gen(function*() {
      const world = worldOf(start)()
      const before = textsOf(world)
      yield* Effect.gen(function*() {
        yield* pass(kindOf(name), inputFor(relays))
        yield* pass(kindOf(name), inputFor(others))
        yield* pass(kindOf(name), inputFor(0))
        assert.deepStrictEqual((yield* kindOf(name).plan(inputFor(0))).changes, [])
      }).pipe(Effect.provide(world.layer))
      assert.deepStrictEqual(textsOf(world), before)
      assert.strictEqual(world.records.size, 0)
    }))

  it.effect.prop("also after a kill at any write, and the putting back killed at any", [
    KindName,
    Host,
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 5 }))),
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 5 })))
  ], ([name, start, first, second]) =>
    Effect.gen(function*() {
      const world = worldOf(start)()
      const before = textsOf(world)
      yield* Effect.gen(function*() {
        world.host.killAfter(first)
        yield* Effect.exit(pass(kindOf(name), inputFor(3)))
        world.host.killAfter(second)
        yield* Effect.exit(pass(kindOf(name), inputFor(0)))
        world.host.killAfter(Number.POSITIVE_INFINITY)
        yield* pass(kindOf(name), inputFor(0))
      }).pipe(Effect.provide(world.layer))
      assert.deepStrictEqual(textsOf(world), before)
    }))
})

const at = (text: string): SettingValue => ({ text, writable: true })

const plain: Host = {
  reserved: at(""),
  range: at("32768\t60999"),
  backlog: at("4096"),
  advertisements: at("1"),
  strictness: at("1"),
  strictnessOfAll: at("0"),
  buckets: at("65536"),
  flows: at("65536")
}

describe("kernel settings", () => {
  it.effect("say what they change", () =>
    Effect.gen(function*() {
      const { layer } = worldOf(plain)()
      const shown = yield* Effect.forEach(
        [KernelSettings, LinkSettings, ConntrackSettings],
        (kind) => kind.plan(inputFor(4))
      )
        .pipe(Effect.provide(layer))
      assert.deepStrictEqual(shown.flatMap(({ changes }) => changes.flatMap(({ lines }) => lines)), [
        "net.ipv4.ip_local_reserved_ports: nothing -> 9001,10000-10511",
        "net.ipv4.ip_local_port_range: 32768 60999 -> 16384 65535",
        "net.core.somaxconn: 4096 -> 16384",
        "net.ipv6.conf.ens0.accept_ra: 1 -> 0",
        "net.ipv4.conf.ens0.rp_filter: 1 -> 2",
        "net.netfilter.nf_conntrack_buckets: 65536 -> 524288",
        "net.netfilter.nf_conntrack_max: 65536 -> 524288"
      ])
    }))

  it.effect("what somebody set higher since stays when the rest is put back", () =>
    Effect.gen(function*() {
      const world = worldOf(plain)()
      yield* Effect.gen(function*() {
        yield* pass(KernelSettings, inputFor(2))
        world.values.set(PATHS.backlog, at("32768"))
        assert.deepStrictEqual((yield* KernelSettings.plan(inputFor(2))).changes, [])
        yield* pass(KernelSettings, inputFor(0))
      }).pipe(Effect.provide(world.layer))
      assert.strictEqual(world.values.get(PATHS.backlog)?.text, "32768")
      assert.strictEqual(world.values.get(PATHS.range)?.text, "32768\t60999")
    }))

  it.effect("what somebody set lower since is what is put back", () =>
    Effect.gen(function*() {
      const world = worldOf(plain)()
      yield* Effect.gen(function*() {
        yield* pass(KernelSettings, inputFor(2))
        world.values.set(PATHS.backlog, at("512"))
        yield* pass(KernelSettings, inputFor(2))
        assert.strictEqual(world.values.get(PATHS.backlog)?.text, "16384")
        yield* pass(KernelSettings, inputFor(0))
      }).pipe(Effect.provide(world.layer))
      assert.strictEqual(world.values.get(PATHS.backlog)?.text, "512")
    }))

  it.effect("the link that relays use no longer gets its settings back", () =>
    Effect.gen(function*() {
      const world = worldOf(plain)()
      world.values.set("net/ipv6/conf/ens1/accept_ra", at("1"))
      yield* Effect.gen(function*() {
        yield* pass(LinkSettings, inputFor(2))
        yield* pass(LinkSettings, inputFor(2, "ens1"))
      }).pipe(Effect.provide(world.layer))
      assert.strictEqual(world.values.get(PATHS.advertisements)?.text, "1")
      assert.strictEqual(world.values.get(PATHS.strictness)?.text, "1")
      assert.strictEqual(world.values.get("net/ipv6/conf/ens1/accept_ra")?.text, "0")
    }))

  it("a reverse-path filter that is strict because of all links is made loose on one", () => {
    const filter = (own: string, all: string) =>
      wantedText(
        { path: "own", wish: { is: "not strict", all: "all" } },
        new Map([["own", at(own)], ["all", at(all)]])
      )
    assert.deepStrictEqual(
      [["0", "0"], ["0", "1"], ["1", "0"], ["1", "1"], ["2", "1"], ["0", "2"], ["1", "2"]].map(([own = "", all = ""]) =>
        filter(own, all)
      ),
      [undefined, "2", "2", "2", undefined, undefined, undefined]
    )
  })

  it("tracked flows take an eighth of the memory at most", () => {
    const input = inputFor(8)
    const [small] = desiredConntrackSettings({ ...input, facts: { ...input.facts, memory: 2 ** 30 } })
    const wishes = small?.value.settings.map(({ wish }) => wish.is === "at least" ? wish.value : 0) ?? []
    assert.deepStrictEqual(wishes, [419_328, 419_328])
    assert.isAtMost(419_328 * 320, 2 ** 30 / 8)
  })

  it("a link with a dot in its name has one in its setting's name as sysctl writes it", () => {
    assert.strictEqual(nameOf("net/ipv4/conf/ens0.100/rp_filter"), "net.ipv4.conf.ens0/100.rp_filter")
  })
})
