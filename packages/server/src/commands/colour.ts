import { styleText } from "node:util"

/** Colours text where stdout is a terminal and NO_COLOR is not set (no-color.org); `styleText` looks at both. */
export const colour = (style: "green" | "yellow" | "red" | "dim", text: string): string =>
  styleText(style, text, { stream: process.stdout })
