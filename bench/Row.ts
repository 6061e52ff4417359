import { Schema } from "effect"

/** One figure. `aim` says what it should be, `met` whether it is; a missed aim fails nothing. */
export const Row = Schema.Struct({
  name: Schema.String,
  value: Schema.Finite,
  unit: Schema.String,
  aim: Schema.NullOr(Schema.String),
  met: Schema.NullOr(Schema.Boolean)
})
export type Row = typeof Row.Type

/** A figure that should stay below a limit. */
export const below = (name: string, value: number, unit: string, limit: number): Row => ({
  name,
  value: rounded(value),
  unit,
  aim: `< ${limit}`,
  met: value < limit
})

/** A figure that should be a limit or more. */
export const atLeast = (name: string, value: number, unit: string, limit: number): Row => ({
  name,
  value: rounded(value),
  unit,
  aim: `>= ${limit}`,
  met: value >= limit
})

/** A figure that should be nothing. */
export const none = (name: string, value: number, unit: string): Row => ({
  name,
  value: rounded(value),
  unit,
  aim: "0",
  met: value === 0
})

/** A figure with no aim of its own. */
export const plain = (name: string, value: number, unit: string): Row => ({
  name,
  value: rounded(value),
  unit,
  aim: null,
  met: null
})

const rounded = (value: number): number => Number(value.toPrecision(4))

/** The middle of an odd number of values, the upper middle of an even one. */
export const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN

/** The smallest value that so many of a hundred values do not exceed. */
export const percentile = (values: ReadonlyArray<number>, hundredths: number): number => {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(sorted.length * hundredths / 100) - 1)] ?? Number.NaN
}
