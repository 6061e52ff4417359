/** Set where the same properties already hold on another database, and what is asked is whether this one does as well. */
export const FEW_RUNS_VARIABLE = "PATELA_TEST_FEW_RUNS"

/** How often a property is tried: so many times, or a fifth of that. Read when the test is declared. */
export const runs = (count: number) => ({
  arbitrary: { runs: process.env[FEW_RUNS_VARIABLE] === undefined ? count : Math.ceil(count / 5) }
})
