/** Clocks may differ so much, in seconds: what a request takes is in it. */
export const CLOCK_TOLERANCE = 60

/** How a node's clock stood to the server's when it last authenticated. `unknown`: an older agent, or it never did. */
export type ClockState = "unknown" | "clock right" | "clock off"

/** `ahead` is seconds, below 0 where the node's clock is behind. */
export interface ClockStanding {
  readonly state: ClockState
  readonly ahead: number | null
}

export const clockStandingOf = (ahead: number | null): ClockStanding => ({
  state: ahead === null ? "unknown" : Math.abs(ahead) > CLOCK_TOLERANCE ? "clock off" : "clock right",
  ahead
})

/** Such as `93 s ahead of`. */
export const differenceText = (ahead: number): string => ahead < 0 ? `${-ahead} s behind` : `${ahead} s ahead of`
