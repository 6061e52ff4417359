import { Effect } from "effect"
import { flushContext } from "../command/context.ts"
import { HandleRange } from "../command/Entity.ts"
import { getHandles } from "../command/getCapability.ts"
import type { Line } from "./Exchange.ts"
import { codeIs } from "./refusalOf.ts"
import { ResponseCode } from "./ResponseCode.ts"
import type { TpmError } from "./TpmError.ts"

/** All handles from `first` on that are of its range. */
export const allHandles = Effect.fnUntraced(function*(line: Line, first: number) {
  const found: Array<number> = []
  for (let next = first;;) {
    const { handles, more } = yield* line.send(getHandles(next))
    found.push(...handles)
    if (!more) return found
    next = (handles.at(-1) ?? 0) + 1
  }
})

/** Does what takes a place for an object or a session, and sees to it that there is one. */
export type MakingRoom = <A>(effect: Effect.Effect<A, TpmError>) => Effect.Effect<A, TpmError>

/**
 * Does what takes a place for an object or a session, and once more when a TPM without a resource manager is full: what a
 * killed program left there is flushed first (a bare TPM has three places of each; TPM 2.0 part 1, 30). `kept` are the
 * handles that are ours.
 */
export const makingRoomFor = (line: Line, kept: ReadonlySet<number>): MakingRoom => (effect) => {
  const clear = Effect.fnUntraced(function*(first: number) {
    for (const handle of yield* allHandles(line, first)) {
      if (!kept.has(handle)) yield* Effect.ignore(line.send(flushContext(handle)))
    }
  })
  return effect.pipe(
    Effect.catch((error) => {
      if (codeIs(error, ResponseCode.objectMemory)) return Effect.andThen(clear(HandleRange.transient), effect)
      if (codeIs(error, ResponseCode.sessionMemory)) return Effect.andThen(clear(HandleRange.loadedSession), effect)
      return Effect.fail(error)
    })
  )
}
