import { Effect, Ref } from "effect"

/** Says lines where they differ from what was said last, so that a trouble that stays is said once. */
export interface SayOnce {
  readonly say: (lines: ReadonlyArray<string>) => Effect.Effect<void>
}

/** `settled` is said when there is nothing to say any more. */
export const makeSayOnce = Effect.fnUntraced(function*(
  log: (line: string) => Effect.Effect<void>,
  settled: string
) {
  const said = yield* Ref.make<ReadonlyArray<string>>([])
  const say: SayOnce["say"] = Effect.fnUntraced(function*(lines) {
    const before = yield* Ref.getAndSet(said, lines)
    for (const line of lines) if (!before.includes(line)) yield* log(line)
    if (lines.length === 0 && before.length > 0) yield* Effect.logInfo(settled)
  })
  return { say } satisfies SayOnce
})
