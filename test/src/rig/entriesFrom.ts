import { readdirSync, readFileSync, statSync } from "node:fs"
import type { CpioEntry } from "./Cpio.ts"

const modeOf = (path: string) => statSync(path).mode & 0o7777

/** A file of this machine, or a folder with all that is in it, at a path of the node. */
export const entriesFrom = (source: string, target: string): ReadonlyArray<CpioEntry> => {
  const path = target.replace(/^\//, "")
  if (!statSync(source).isDirectory()) {
    return [{ type: "file", path, mode: modeOf(source), content: readFileSync(source) }]
  }
  return [
    { type: "folder", path, mode: modeOf(source) },
    ...readdirSync(source).flatMap((name) => entriesFrom(`${source}/${name}`, `${target}/${name}`))
  ]
}
