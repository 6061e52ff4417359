import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { ChangeView } from "@patela/domain/reconciler/Change"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { Effect } from "effect"
import { converge, type Convergence } from "../converge/Converge.ts"
import { admitAll, type Hold, holdAny } from "../converge/Hold.ts"
import { type Look, look } from "../converge/Look.ts"
import type { RolledBack } from "../converge/NetworkTrial.ts"
import { type Trouble, troublesOf } from "../converge/Trouble.ts"
import { AgentNotes, AgentState, configDigest, type Notes } from "../host/AgentState.ts"
import { HostFactsReader } from "../host/HostFactsReader.ts"
import { ConfigKeeper } from "../host/KeptConfig.ts"
import { WriterLock } from "../host/WriterLock.ts"
import { tellImagePolicy } from "../keys/tellImagePolicy.ts"
import { guardsFor } from "./Guards.ts"

/** What the desired state of this host is computed from, now. */
export const inputOf = Effect.fn("Pass.inputOf")(function*(config: NodeConfig, relayInterface: string | undefined) {
  return yield* inputWith(config, relayInterface, yield* (yield* AgentState).read)
})

const inputWith = Effect.fnUntraced(function*(config: NodeConfig, relayInterface: string | undefined, notes: Notes) {
  yield* tellImagePolicy(config)
  const facts = yield* (yield* HostFactsReader).read(config, { named: relayInterface, noted: notes.relayInterface })
  return {
    config,
    facts,
    configIsNew: notes.applied !== configDigest(config),
    pending: new Set(notes.pending)
  } satisfies DesiredInput
})

export interface PassOptions {
  readonly relayInterface: string | undefined
  /** The kinds to look at; without it all of them. */
  readonly only?: ReadonlySet<string>
  /** What else is not to be done now. */
  readonly hold?: Hold
}

/** What a pass came to. */
export interface PassResult {
  readonly convergence: Convergence
  readonly troubles: ReadonlyArray<Trouble>
  readonly rolledBack: RolledBack | undefined
  /** The kinds that were looked at: `troubles` speaks of no other. */
  readonly looked: ReadonlySet<string>
  readonly full: boolean
}

/**
 * One pass: look, and where something is to be done, change it under the writer lock and look again. One log line for
 * each change that was made; nothing is written and no lock taken where nothing is to be done.
 */
export const pass = Effect.fn("Pass.pass")(
  function*<Read, Write>(kinds: ReadonlyArray<Kind<Read, Write>>, config: NodeConfig, options: PassOptions) {
    const notes = yield* (yield* AgentState).read
    const input = yield* inputWith(config, options.relayInterface, notes)
    // A configuration that is new to this host is about all of it.
    const first = yield* look(kinds, input, input.configIsNew ? undefined : options.only)
    const convergence = yield* carryOut(first, input, notes, options.hold ?? admitAll)
    for (const change of convergence.changes) yield* Effect.logInfo(changeText(change))
    const troubles = troublesOf(convergence)
    yield* remember(first, input, notes, convergence, troubles)
    return {
      convergence,
      troubles,
      rolledBack: convergence.rolledBack,
      looked: new Set(first.kinds.map(({ kind }) => kind)),
      full: first.full
    } satisfies PassResult
  }
)

/** What was done, for the journal. */
export const changeText = ({ action, address, reason }: ChangeView): string => `${action}d ${address} (${reason})`

const carryOut = Effect.fnUntraced(function*<Read, Write>(
  first: Look<Read, Write>,
  input: DesiredInput,
  notes: Notes,
  hold: Hold
) {
  const { changes } = first.plan
  const holdAll = holdAny(guardsFor(first.kinds, changes, input.config, notes), hold)
  if (changes.some((change) => holdAll(change) === undefined)) {
    yield* (yield* WriterLock).hold
    const link = input.facts.relayInterface
    if (link.found) yield* (yield* AgentNotes).note({ relayInterface: link.name })
  }
  return yield* converge(first, input, holdAll)
}, Effect.scoped)

/** Notes what later passes go by. Nothing is written where the notes say so already. */
const remember = Effect.fnUntraced(function*<Read, Write>(
  first: Look<Read, Write>,
  { config, configIsNew }: DesiredInput,
  before: Notes,
  { rolledBack }: Convergence,
  troubles: ReadonlyArray<Trouble>
) {
  const notes = yield* AgentNotes
  const digest = configDigest(config)
  if (rolledBack !== undefined) return yield* notes.note({ quarantined: { digest, why: rolledBack.why } })
  if (!first.full || before.quarantined?.digest === digest) return
  const pending = troubles.map(({ address }) => address).toSorted()
  const generation = Math.max(before.generation ?? 0, config.generation)
  if (configIsNew) yield* (yield* ConfigKeeper).keep(config)
  yield* notes.note({ applied: digest, pending, generation })
})
