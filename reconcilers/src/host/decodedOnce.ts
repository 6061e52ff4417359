import { Effect } from "effect"

/**
 * Decodes a text, and gives the very same value again for as long as the text is the same: what many relays have in the
 * kernel's tables takes longer to decode than to read, and mostly nobody changed it.
 */
export const decodedOnce = <A, E, R>(
  decode: (text: string) => Effect.Effect<A, E, R>
): (text: string) => Effect.Effect<A, E, R> => {
  let last: { readonly text: string; readonly value: A } | undefined
  return (text) =>
    Effect.suspend(() =>
      last?.text === text ? Effect.succeed(last.value) : Effect.map(decode(text), (value) => {
        last = { text, value }
        return value
      })
    )
}
