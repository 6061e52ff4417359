import { Schema } from "effect"
import { storedText } from "../api/storedText.ts"

const Label = storedText(200)

/** What a node says of its hardware. `memory` is bytes. The server counts the node's relays from it. */
export const HardwareSpecs = Schema.Struct({
  n_cpus: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65_536 }))),
  memory: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))),
  cpu_name: Label,
  hostname: Schema.optionalKey(Label),
  kernel: Schema.optionalKey(Label),
  agent_version: Schema.optionalKey(Label)
})
export type HardwareSpecs = typeof HardwareSpecs.Type
