import { Schema } from "effect"

/** An event log can be read and not be replayed. `field` is where, such as `event log.events.3`. */
export class EventLogRefused extends Schema.TaggedError<EventLogRefused>()("EventLogRefused", {
  field: Schema.String,
  message: Schema.String
}) {}
