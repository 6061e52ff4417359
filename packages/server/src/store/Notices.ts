import { Context, Duration, Effect, Layer, Stream } from "effect"
import type { SqlError } from "effect/sql"

/** How often a database is looked at that tells nobody anything. */
const POLL = Duration.millis(250)

/** How the processes at one database tell each other that the configuration changed. */
export class Notices extends Context.Service<Notices, {
  /** Tells the others once the transaction under way is committed, where the database can. */
  readonly tell: Effect.Effect<void, SqlError.SqlError>
  /**
   * Look again: when listening begins, when it begins anew after it was broken off, whenever somebody told, and now and
   * then without that. It never says what happened, and never ends.
   */
  readonly heard: Stream.Stream<"look again">
}>()("@patela/server/store/Notices") {
  /** SQLite tells nobody anything: others look four times a second. */
  static readonly polling = Layer.succeed(
    Notices,
    Notices.of({ tell: Effect.void, heard: Stream.map(Stream.tick(POLL), () => "look again" as const) })
  )
}
