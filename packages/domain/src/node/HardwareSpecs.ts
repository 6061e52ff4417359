import { Schema } from "effect"
import { storedText } from "../api/storedText.ts"

const Label = storedText(200)

/** As far as a date reaches (ECMA-262, 21.4.1.1), in milliseconds since 1970, UTC. */
const Moment = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: -8.64e15, maximum: 8.64e15 })))

/**
 * What a node says of its hardware. `memory` is bytes. The server counts the node's relays from it. `clock` is what the node's
 * clock says as this is sent; agents of before do not say it.
 */
export const HardwareSpecs = Schema.Struct({
  n_cpus: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65_536 }))),
  memory: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))),
  cpu_name: Label,
  hostname: Schema.optionalKey(Label),
  kernel: Schema.optionalKey(Label),
  agent_version: Schema.optionalKey(Label),
  clock: Schema.optionalKey(Moment)
})
export type HardwareSpecs = typeof HardwareSpecs.Type
