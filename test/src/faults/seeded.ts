/** Whole numbers below a bound, the same for the same seed (numerical recipes' linear congruence). */
export const seeded = (seed: number): (bound: number) => number => {
  let state = seed * 2_654_435_761 % 2 ** 32
  return (bound) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return Math.floor(state / 2 ** 32 * bound)
  }
}

/** A whole number from the environment, for who repeats a run or wants a longer one. */
export const numberFrom = (name: string, otherwise: number): number => {
  const value = Number(process.env[name] ?? otherwise)
  if (!Number.isInteger(value)) throw new Error(`${name} is not a whole number`)
  return value
}
