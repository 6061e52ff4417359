import { Schema } from "effect"

/** The name of the one event there is on /private/events, and the type of its media. */
export const CONFIG_EVENT = "config"
export const EVENT_STREAM = "text/event-stream"

/** The server says at least so often that it is there: a comment, which starts with a colon. In milliseconds. */
export const HEARTBEAT_MILLIS = 15_000

/** The data of a `config` event: the generation of the configuration now. */
export const ConfigEvent = Schema.Struct({
  generation: Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))
})
export type ConfigEvent = typeof ConfigEvent.Type
