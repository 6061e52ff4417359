import { Effect, Schema, SchemaTransformation } from "effect"

/** A whole number; PostgreSQL sends 64-bit ones as text. */
export const Whole = Schema.Union([Schema.Int, Schema.String]).pipe(
  Schema.decodeTo(
    Schema.Int,
    SchemaTransformation.transform({ decode: (value) => Number(value), encode: (value) => value })
  )
)

/** A yes or no, kept as 1 or 0 so that both databases hold the same. */
export const Flag = Schema.BooleanFromBit

/** Now, as the database keeps every time: UTC, ISO 8601 with milliseconds, which also sorts as text. */
export const now: Effect.Effect<string> = Effect.clockWith((clock) =>
  Effect.map(clock.currentTimeMillis, (millis) => new Date(millis).toISOString())
)
