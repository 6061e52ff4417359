import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Schema } from "effect"
import { KillPoint } from "./KillPoint.ts"

/** What the pass driver is asked, as JSON. */
export const PassRequest = Schema.fromJsonString(Schema.Struct({
  config: NodeConfig,
  server: Schema.String,
  caCertificate: Schema.String,
  tpm: Schema.String,
  relayInterface: Schema.String,
  kill: Schema.NullOr(KillPoint),
  /** How many passes are made, one after another, in the same process. */
  passes: Schema.Int
}))

const PassAnswer = Schema.Struct({
  verdict: Schema.Literals(["converged", "failed", "partly", "rolled back"]),
  changes: Schema.Array(Schema.String),
  troubles: Schema.Array(Schema.String),
  /** Names of the calls that count, in their order. */
  calls: Schema.Struct({ service: Schema.Array(Schema.String), file: Schema.Array(Schema.String) })
})
/** What came of one pass. */
export type PassAnswer = typeof PassAnswer.Type

/** What came of each pass, as JSON. */
export const PassAnswers = Schema.fromJsonString(Schema.Array(PassAnswer))
