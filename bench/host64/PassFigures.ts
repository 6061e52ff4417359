import { Schema } from "effect"

/** What inside/passes.ts prints; times are milliseconds. */
export const PassFigures = Schema.fromJsonString(Schema.Struct({
  /** Passes of all kinds with nothing to do, half a second apart. */
  spaced: Schema.Array(Schema.Finite),
  /** The same, one after the other. */
  backToBack: Schema.Array(Schema.Finite),
  /** Processor time of one pass, back to back: of the agent's own process, and of the programs that it starts. */
  cpuMs: Schema.Struct({ agent: Schema.Finite, programs: Schema.Finite }),
  /** The programs that one pass starts. */
  spawns: Schema.Array(Schema.String),
  /** Each kind's look by itself, nothing else at the same time: the median, and how many programs it starts. */
  alone: Schema.Array(Schema.Struct({ kind: Schema.String, ms: Schema.Finite, spawns: Schema.Finite }))
}))
export type PassFigures = typeof PassFigures.Type
