/** The last generation that a stream of events told, NaN before the first. */
export const lastGeneration = (text: string): number => Number(/.*"generation":(\d+)/s.exec(text)?.[1] ?? Number.NaN)
