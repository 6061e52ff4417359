/** How one thing stands. `wrong` keeps nodes from being served, now or at the next start; a `warning` will, if it is left. */
export type Level = "fine" | "warning" | "wrong"

/** What `patela doctor` found of one thing: what it is, how it stands, and, unless that is fine, what to do. */
export interface Finding {
  readonly check: string
  readonly level: Level
  readonly message: string
  readonly advice: string | null
}

export const fine = (check: string, message: string): Finding => ({ check, level: "fine", message, advice: null })

export const warning = (check: string, message: string, advice: string): Finding => ({
  check,
  level: "warning",
  message,
  advice
})

export const wrong = (check: string, message: string, advice: string): Finding => ({
  check,
  level: "wrong",
  message,
  advice
})

const WEIGHT: Readonly<Record<Level, number>> = { fine: 0, warning: 1, wrong: 2 }

/** The gravest of all. */
export const gravest = (findings: ReadonlyArray<Finding>): Level =>
  findings.reduce<Level>((level, finding) => WEIGHT[finding.level] > WEIGHT[level] ? finding.level : level, "fine")
