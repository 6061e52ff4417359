import { Effect, Schema } from "effect"

/** The command needs root. */
export class RootNeeded extends Schema.TaggedError<RootNeeded>()("RootNeeded", { message: Schema.String }) {}

/** Fails where the process is not root, saying why it must be. */
export const requireRoot = (why: string): Effect.Effect<void, RootNeeded> =>
  Effect.suspend(() => {
    const uid = process.geteuid?.()
    return uid === 0
      ? Effect.void
      : Effect.fail(new RootNeeded({ message: `${why}: run it as root (you are uid ${uid ?? "unknown"})` }))
  })
