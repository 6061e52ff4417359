import { Effect } from "effect"

/**
 * The least of the times that a change took to be told, in milliseconds, where it is made three times: on and off and on
 * again. One of them says what the code is capable of; the machine of the tests is busy now and then.
 */
export const soonest = <E, R>(change: (value: "on" | "off") => Effect.Effect<number, E, R>) =>
  Effect.map(Effect.forEach(["on", "off", "on"] as const, change), (times) => Math.min(...times))
