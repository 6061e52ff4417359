import { Effect, Runtime, Schema } from "effect"

/** Ends the command with an exit code of its own after everything was already said. */
export class ExitWith extends Schema.TaggedError<ExitWith>()("ExitWith", { code: Schema.Int }) {
  /** Read by the runtime's teardown. */
  override readonly [Runtime.errorExitCode] = this.code
}

/** 0 just returns. */
export const exitWith = (code: number): Effect.Effect<void, ExitWith> =>
  code === 0 ? Effect.void : Effect.fail(new ExitWith({ code }))
