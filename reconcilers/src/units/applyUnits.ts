import type { Change } from "@patela/domain/reconciler/Change"
import type { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Option } from "effect"
import { availableParallelism } from "node:os"
import { type CommandFailed, HostCommand } from "../host/HostCommand.ts"
import { torrcFileOf } from "../host/HostPaths.ts"
import type { FileNotWritten } from "../host/ReplaceFile.ts"
import type { BootstrapReader } from "./BootstrapReader.ts"
import { InstanceReader } from "./InstanceReader.ts"
import { hasOtherListeners } from "./LoadedTorrc.ts"
import { restartInTurn } from "./restartInTurn.ts"
import { RunningTor, type TorRefused } from "./RunningTor.ts"
import { SystemdWriter, type UnitJobFailed } from "./SystemdWriter.ts"
import { type UnitEntry, UnitLedgerWriter } from "./UnitLedger.ts"
import { isForgiven, type ObservedUnit, type UnitStep, unitStepOf } from "./UnitStep.ts"

export interface DesiredUnit {
  readonly name: RelayName
  readonly unit: string
}

export type UnitWriters = BootstrapReader | HostCommand | InstanceReader | RunningTor | SystemdWriter | UnitLedgerWriter

type UnitChange = Change<DesiredUnit, ObservedUnit>
type Outcomes = ReadonlyArray<readonly [ResourceAddress, Outcome]>

/** Starting is mostly key checks and reading: twice as many as there are processors keeps them busy. */
const STARTS_AT_ONCE = availableParallelism() * 2

const STOPS_AT_ONCE = 16

/**
 * Stops and starts go together; what a running relay has to suffer comes to one at a time, and restarts last, each after the
 * one before has come back.
 */
export const applyUnits = Effect.fn("units.apply")(function*(changes: ReadonlyArray<UnitChange>) {
  const gentle: Array<UnitChange> = []
  const restarts: Array<{ readonly name: RelayName; readonly change: UnitChange }> = []
  const starts: Array<UnitChange> = []
  const stops: Array<UnitChange> = []
  for (const change of changes) {
    const step = stepOf(change)
    if (change.action === "remove") stops.push(change)
    else if (step === "restart") restarts.push({ name: change.desired.name, change })
    else (step === "start" ? starts : gentle).push(change)
  }
  const stopped = yield* Effect.forEach(stops, applyOne, { concurrency: STOPS_AT_ONCE })
  const started = yield* Effect.forEach(starts, applyOne, { concurrency: STARTS_AT_ONCE })
  const changed = yield* Effect.forEach(gentle, applyOne)
  const restarted: Array<Outcomes[number]> = []
  yield* restartInTurn(restarts, ({ change }) =>
    Effect.map(applyOne(change), (one) => {
      restarted.push(one)
      return one[1].done
    }))
  const outcomes: Outcomes = [...stopped, ...started, ...changed, ...restarted]
  return new Map(outcomes)
})

const stepOf = (change: UnitChange): UnitStep => (change.action === "update" ? unitStepOf(change.observed) : "start")

const applyOne = Effect.fnUntraced(
  function*(change: UnitChange) {
    if (change.action === "remove") yield* stop(change.observed)
    else yield* advance(change.desired, stepOf(change), change.action === "update" ? change.observed.loaded : undefined)
    return done
  },
  Effect.catch((
    error: CommandFailed | FileNotWritten | ObservationFailed | TorRefused | UnitJobFailed
  ): Effect.Effect<Outcome> => Effect.succeed(failed(error.message))),
  (effect, { address }) => Effect.map(effect, (outcome) => [address, outcome] as const)
)

const stop = Effect.fnUntraced(function*({ name, unit }: ObservedUnit) {
  const systemd = yield* SystemdWriter
  const ledger = yield* UnitLedgerWriter
  yield* systemd.stop(unit)
  yield* ledger.forget(name)
})

/**
 * Torrc and drop-in are read anew just before the unit reads them: what the ledger says must not be newer than what tor
 * has. Before a unit starts the ledger says that it is tried with them: an agent that is killed here finds it started
 * after they were written and adopts it, with no second restart, and one that fails is not forgiven for ever.
 */
const advance = Effect.fnUntraced(
  function*({ name, unit }: DesiredUnit, step: UnitStep, loaded: UnitEntry | undefined) {
    const systemd = yield* SystemdWriter
    const ledger = yield* UnitLedgerWriter
    const torrc = (yield* (yield* InstanceReader).read([name])).get(name)
    const content = torrc?.content
    const trying = Effect.gen(function*() {
      const known = loaded?.tried === true && !isForgiven(loaded, torrc)
      if (content !== undefined && !known) yield* ledger.loaded(name, { ...content, tried: true })
    })
    const how = isForgiven(loaded, torrc) ? "forgiven" : "as it is"
    switch (step) {
      case "none":
        return
      case "start":
        yield* trying
        yield* systemd.start(unit, how)
        break
      case "reload": {
        yield* verify(name)
        if (loaded !== undefined) {
          const taken = yield* (yield* RunningTor).take(name, loaded)
          if (Option.isSome(taken)) return yield* ledger.loaded(name, { ...loaded, ...taken.value })
        }
        // A reload is a SIGHUP, and ends a tor that cannot open a listener then.
        if (loaded !== undefined && content !== undefined && hasOtherListeners(loaded, content)) {
          yield* trying
          yield* systemd.restart(unit, how)
        } else yield* systemd.reload(unit)
        break
      }
      case "restart":
        yield* verify(name)
        yield* trying
        yield* systemd.restart(unit, how)
        break
      case "adopt":
        break
    }
    if (content !== undefined) yield* ledger.loaded(name, content)
  }
)

/** A torrc that tor refuses must not reach a running relay: a reload would end it. */
const verify = Effect.fnUntraced(function*(name: RelayName) {
  const command = yield* HostCommand
  const defaults = `/run/tor-instances/${name}.defaults`
  yield* command.run("tor", [
    "--defaults-torrc",
    defaults,
    "-f",
    torrcFileOf(name),
    "--verify-config",
    "--hush"
  ])
})
