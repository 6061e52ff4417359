import { stripVTControlCharacters } from "node:util"

/** Rows under their headings, columns two spaces apart; nothing but the header where there are no rows. */
export const table = (headings: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const width = (cell: string) => stripVTControlCharacters(cell).length
  const widths = headings.map((heading, column) =>
    rows.reduce((widest, row) => Math.max(widest, width(row[column] ?? "")), heading.length)
  )
  const line = (cells: ReadonlyArray<string>) =>
    cells.map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - width(cell)))).join("  ")
      .trimEnd()
  return [headings, ...rows].map(line).join("\n")
}

/**
 * Text that came from outside, on one line and without the control characters that could move a terminal's cursor.
 */
export const plain = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "?")
