import { Effect } from "effect"
import { mkdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { uniqueName } from "./RunName.ts"

export const TemporaryDirectory = {
  /** A directory of one's own, mode 0700, removed with all that is in it when the scope closes. */
  make: (label: string) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const folder = `${tmpdir()}/${uniqueName(label)}`
        mkdirSync(folder, { mode: 0o700 })
        return folder
      }),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
}
