/** Colour for a terminal, or nothing for everything else. */
export interface Style {
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly warm: (text: string) => string
  readonly faint: (text: string) => string
  readonly strong: (text: string) => string
}

/** How blocks of a plan look: in which style, and whether everything is shown. */
export interface BlockLook {
  readonly style: Style
  readonly full: boolean
}

const sgr = (code: number) => (text: string): string => `\u001b[${code}m${text}\u001b[0m`
const bare = (text: string): string => text

export const plainStyle: Style = { good: bare, bad: bare, warm: bare, faint: bare, strong: bare }
export const colourStyle: Style = { good: sgr(32), bad: sgr(31), warm: sgr(33), faint: sgr(2), strong: sgr(1) }

/** Colour only where a person looks at a terminal and did not say no (https://no-color.org). */
export const styleFor = (stream: { readonly isTTY?: boolean }, noColor: string | undefined): Style =>
  stream.isTTY === true && (noColor === undefined || noColor === "") ? colourStyle : plainStyle
