import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { type Change, differences } from "@patela/domain/reconciler/Change"
import { type KindSpec, make, ObservationFailed } from "@patela/domain/reconciler/Kind"
import { relayScope, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import { RelayName, unitOf } from "@patela/domain/relay/RelayName"
import { Effect, Option, Schema, Stream } from "effect"
import { applyUnits, type DesiredUnit, type UnitWriters } from "./applyUnits.ts"
import { InstanceReader } from "./InstanceReader.ts"
import { hasOtherListeners } from "./LoadedTorrc.ts"
import { type ListedUnit, SystemdReader } from "./SystemdReader.ts"
import { UnitLedgerReader } from "./UnitLedger.ts"
import { hasOtherDropIn, isManaged, isSure, type ObservedUnit, unitStepOf } from "./UnitStep.ts"

const addressOf = (name: RelayName): ResourceAddress => `relay/${name}/unit`

/** What must be so before a relay may speak to anybody: else it would be another relay, or leave from another address. */
const needsOf = (
  name: RelayName,
  families: ReadonlyArray<"v4" | "v6">,
  { family }: NodeConfig
): ReadonlyArray<ResourceAddress> => [
  ...["account", "directories", "identity", "torrc", "drop-in", "source-nat"].map((kind) => `relay/${name}/${kind}`),
  ...((family?.ids ?? []).length === 0 ? [] : [`relay/${name}/family-keys`]),
  ...families.flatMap((family) => [
    `relay/${name}/address-${family}`,
    ...["unreachable", "default", "rule-uid", "rule-mark"].map((role) => `node/routing/${role}-${family}`)
  ])
]

type UnitReaders = InstanceReader | SystemdReader | UnitLedgerReader

/** Every relay's unit runs, with the torrc and drop-in that are on disk; units of relays that were removed are stopped. */
export const unitsSpec: KindSpec<DesiredUnit, ObservedUnit, UnitReaders, UnitWriters> = {
  kind: "units",

  desired: ({ config }) =>
    config.relays.map(({ ip_v6, name }) => ({
      address: addressOf(name),
      scope: relayScope(name),
      needs: needsOf(name, ip_v6 === null ? ["v4"] : ["v4", "v6"], config),
      follows: [
        {
          address: `relay/${name}/torrc`,
          line: "its torrc changes: reload, or restart where tor can only start with it"
        },
        { address: `relay/${name}/drop-in`, line: "its drop-in changes: restart, unless in MemoryMax alone" }
      ],
      value: { name, unit: unitOf(name) }
    })),

  observe: Effect.fn("units.observe")(
    function*(desired) {
      const systemd = yield* SystemdReader
      const ledger = yield* (yield* UnitLedgerReader).read
      const listed = new Map((yield* systemd.list).flatMap((unit) => named(unit)))
      const names = new Set([...desired.map(({ value }) => value.name), ...listed.keys()])
      const torrcs = yield* (yield* InstanceReader).read([...names])
      const observed = yield* Effect.forEach(listed, ([name, unit]) =>
        Effect.gen(function*() {
          const loaded = ledger.get(name)
          const startedAt = isSure(loaded) || unit.active !== "active" ? undefined : yield* systemd.startedAt(unit)
          const { active, sub } = unit
          const it: ObservedUnit = { name, unit: unit.unit, active, sub, torrc: torrcs.get(name), loaded, startedAt }
          return [addressOf(name), it] as const
        }), { concurrency: 16 })
      // Debian's generator has systemd list every instance that has a torrc, also where nobody ever started it.
      return new Map(observed.filter(([, { active, loaded }]) => active !== "inactive" || loaded !== undefined))
    },
    Effect.catchTag("BusFailed", ({ message }) => Effect.fail(new ObservationFailed({ kind: "units", message })))
  ),

  diff: (desired, observed) =>
    differences({
      desired,
      observed,
      compare: (_, unit) => STEP_LINES[unitStepOf(unit)](unit),
      created: ({ unit }) => [`start ${unit}`],
      removed: (unit) => {
        if (!isManaged(unit) || unit.active === "inactive") return undefined
        return { scope: relayScope(unit.name), lines: [`stop ${unit.unit}; tor waits up to 30 s for its clients`] }
      }
    }).map(withReason),

  apply: applyUnits,

  watch: Stream.unwrap(Effect.map(SystemdReader, ({ changes }) => changes)).pipe(
    Stream.mapError(({ message }) => new ObservationFailed({ kind: "units", message }))
  )
}

const STEP_LINES: Readonly<
  Record<ReturnType<typeof unitStepOf>, (unit: ObservedUnit) => ReadonlyArray<string>>
> = {
  none: () => [],
  start: ({ active, sub }) => [`${active} (${sub}) -> active`],
  adopt: () => ["runs with this torrc and drop-in, and is taken over as it is"],
  reload: ({ loaded, torrc }) => [
    loaded !== undefined && torrc !== undefined && hasOtherListeners(loaded, torrc.content)
      ? "its torrc has other ports: reload, or restart where tor has no control socket"
      : "its torrc changed: reload"
  ],
  restart: ({ loaded, torrc }) => [
    isSure(loaded) && torrc !== undefined && hasOtherDropIn(loaded, torrc)
      ? "its drop-in changed: restart, which takes up to 30 s"
      : "its torrc changed in what tor reads at its start alone: restart, which takes up to 30 s"
  ]
}

const withReason = (change: Change<DesiredUnit, ObservedUnit>): Change<DesiredUnit, ObservedUnit> => {
  if (change.action !== "update" || unitStepOf(change.observed) === "start") return change
  return { ...change, reason: "dependency changed" }
}

const decodeName = Schema.decodeUnknownOption(RelayName)

/** The relay of a unit; none for units that no relay can have, such as `tor@default.service`. */
const nameOf = (unit: string): Option.Option<RelayName> => decodeName(/^tor@(.+)\.service$/.exec(unit)?.[1])

const named = (unit: ListedUnit): ReadonlyArray<readonly [RelayName, ListedUnit]> =>
  Option.toArray(nameOf(unit.unit)).map((name) => [name, unit] as const)

export const Units = make(unitsSpec)
