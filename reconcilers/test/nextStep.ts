import { statSync, writeFileSync } from "node:fs"

/** The kernel's clock for files goes in steps of some milliseconds: waits for the next. `path` is that of a file of its own. */
export const nextStep = (path: string): void => {
  const now = (): bigint => {
    writeFileSync(path, "")
    return statSync(path, { bigint: true }).ctimeNs
  }
  for (const before = now(); now() === before;);
}
