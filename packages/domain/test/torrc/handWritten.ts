import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** A torrc written by hand for one trap, which its first line names, and for some the layer below it. */
export interface HandWritten {
  readonly name: string
  readonly torrc: string
  readonly defaults: string | undefined
}

/**
 * What is to be said of a torrc: that tor and Patela read the `same` in it; that it is `wrong` for both; that Patela is
 * `stricter`, and refuses what tor takes. In the latter two its first line begins with where and why.
 */
export type Verdict = "same" | "wrong" | "stricter"

export const handWritten = (verdict: Verdict): ReadonlyArray<HandWritten> => {
  const folder = fileURLToPath(new URL(`torrcs/${verdict}`, import.meta.url))
  return readdirSync(folder).filter((file) => file.endsWith(".torrc")).sort().map((file) => {
    const defaults = `${folder}/${file.replace(/torrc$/, "defaults")}`
    return {
      name: file.replace(/\.torrc$/, ""),
      torrc: readFileSync(`${folder}/${file}`, "utf8"),
      defaults: existsSync(defaults) ? readFileSync(defaults, "utf8") : undefined
    }
  })
}

/** Where a torrc is wrong, and a word of why, as its first line says. */
export const expectedProblem = (torrc: string) => {
  const [, line, column, why = ""] = /# (\d+):(\d+) (.*)/.exec(torrc) ?? []
  return { line: Number(line), column: Number(column), why }
}
