import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Schema } from "effect"
import { type Trouble, troubleOf, troubleText } from "../converge/Trouble.ts"
import { verdictOf } from "../converge/Verdict.ts"
import type { Situation } from "../watch/Situation.ts"

/** A point in time as text (RFC 3339, UTC). */
const Time = Schema.String

const RelayStatus = Schema.Struct({
  name: RelayName,
  /** `ok`: as configured. */
  state: Schema.Literals(["ok", "trouble"]),
  /** Why it is not as configured; null where it is. */
  why: Schema.NullOr(Schema.String),
  /** Since when state and reason are what they are. */
  since: Time
})

/**
 * How the node stands, for people: what `patela-agent status` reads and `--json` prints. `version` changes when a reader of
 * the old form would misread the new one.
 */
export const AgentStatus = Schema.Struct({
  version: Schema.Literal(1),
  verdict: Schema.Literals(["converged", "failed", "partly", "rolled back"]),
  since: Time,
  generation: Schema.Int,
  relays: Schema.Array(RelayStatus),
  /** What is wrong with the node and belongs to no configured relay, one line each. */
  node: Schema.Array(Schema.String),
  /** Why the server's configuration was taken back; null where it is in force. */
  rolled_back: Schema.NullOr(Schema.String),
  contended: Schema.Array(Schema.String),
  /** The last pass that changed something, and what; null before the first. */
  last_change: Schema.NullOr(Schema.Struct({ at: Time, changes: Schema.Array(Schema.String) }))
})
export type AgentStatus = typeof AgentStatus.Type

/** The most changes that are listed; a first run of many relays has hundreds. */
const MOST_CHANGES = 100

/** What a status is made from. */
export interface StatusInput {
  readonly config: NodeConfig
  readonly situation: Situation
  readonly takenBack: string | undefined
  readonly contended: ReadonlyArray<string>
  /** One line a change of this pass. */
  readonly changes: ReadonlyArray<string>
  /** Now. */
  readonly at: string
}

/** The status after a pass. What did not change keeps its time, so that nothing changed gives an equal status. Pure. */
export const statusAfter = (before: AgentStatus | undefined, input: StatusInput): AgentStatus => {
  const { at, changes, config, contended, situation, takenBack } = input
  const { rolledBack, troubles } = situation
  const names = config.relays.map(({ name }) => name)
  const verdict = takenBack === undefined ? verdictOf(troubles, names, rolledBack) : "rolled back"
  const known = new Map(before?.relays.map((relay) => [relay.name, relay]))
  return {
    version: 1,
    verdict,
    since: before?.verdict === verdict ? before.since : at,
    generation: config.generation,
    relays: names.map((name) => {
      const why = troubleOf(troubles, name) ?? null
      const earlier = known.get(name)
      return {
        name,
        state: why === null ? "ok" : "trouble",
        why,
        since: earlier !== undefined && earlier.why === why ? earlier.since : at
      }
    }),
    node: troubles.filter(belongsToNoneOf(names)).map(troubleText),
    rolled_back: takenBack ?? rolledBack?.why ?? null,
    contended,
    last_change: changes.length > 0
      ? { at, changes: changes.slice(0, MOST_CHANGES) }
      : before?.last_change ?? null
  }
}

/** Troubles of the node itself, and of relays that are to go. Pure. */
export const belongsToNoneOf = (names: ReadonlyArray<RelayName>) => ({ scope }: Trouble): boolean =>
  !names.some((name) => scope === `relay/${name}`)
