import { Effect } from "effect"
import { readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { removeCgroups } from "./Cgroup.ts"
import { run } from "./Command.ts"
import { isLeftover } from "./RunName.ts"

const leftoversIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder).filter(isLeftover)
  } catch {
    return []
  }
}

/**
 * Removes what runs that were killed left behind. Their processes die with them (BackgroundProcess), so names are all
 * that can be left: network namespaces, control groups, temporary directories, systemd-nspawn's propagation directories.
 */
export const sweepLeftovers: Effect.Effect<void> = Effect.gen(function*() {
  for (const name of leftoversIn("/run/netns")) yield* Effect.ignore(run(["ip", "netns", "delete", name]))
  yield* removeCgroups(isLeftover)
  for (const folder of [tmpdir(), "/run/systemd/nspawn/propagate"]) {
    for (const name of leftoversIn(folder)) {
      // Two runs may sweep at once, and one finds what it was about to remove gone.
      yield* Effect.ignore(Effect.try(() => rmSync(`${folder}/${name}`, { recursive: true, force: true })))
    }
  }
})
