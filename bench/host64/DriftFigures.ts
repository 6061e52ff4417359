import { Schema } from "effect"

/** What inside/drift.ts is told, as its one argument. */
export const DriftOrder = Schema.fromJsonString(Schema.Struct({
  relays: Schema.Array(Schema.Struct({
    name: Schema.String,
    slot: Schema.Int,
    ip_v4: Schema.String,
    ip_v6: Schema.NullOr(Schema.String)
  })),
  link: Schema.String,
  prefixV4: Schema.Int,
  prefixV6: Schema.Int,
  gatewayV4: Schema.String,
  gatewayV6: Schema.String,
  /** The order of the trials, the pauses between them and the choice of relays follow from it. */
  seed: Schema.Int,
  rounds: Schema.Int,
  /** Trials of each kind of drift in a round; before each round the agent is started anew. */
  perRound: Schema.Int
}))
export type DriftOrder = typeof DriftOrder.Type

/** What it prints: for each kind of drift the times to its repair in milliseconds, and how many were not repaired in time. */
export const DriftFigures = Schema.fromJsonString(Schema.Struct({
  limitMs: Schema.Finite,
  kinds: Schema.Array(Schema.Struct({
    drift: Schema.String,
    ms: Schema.Array(Schema.Finite),
    missed: Schema.Int,
    /** It was given up after two misses in a row: nothing hears of it before the minute's look. */
    givenUp: Schema.Boolean
  })),
  /** Kinds of drift that this agent does not manage. */
  leftOut: Schema.Array(Schema.String)
}))
export type DriftFigures = typeof DriftFigures.Type
