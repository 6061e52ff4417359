import { Effect, Schema } from "effect"
import { existsSync } from "node:fs"
import { runOk } from "./Command.ts"
import { repositoryRoot } from "./Repository.ts"

/** The Debian root that nodes boot has not been made on this machine, or its package list has changed since. */
export class DebianRootMissing extends Schema.TaggedError<DebianRootMissing>()("DebianRootMissing", {
  path: Schema.String
}) {
  override get message() {
    return `There is no Debian root at ${this.path}, so no node can boot. Run scripts/setup.sh as root, which makes it.`
  }
}

export const DebianRoot = {
  /** Finds the cached root that scripts/setup.sh makes. It is never written: each node boots on a layer of its own. */
  find: Effect.fnUntraced(function*() {
    const path = (yield* runOk([`${repositoryRoot}/scripts/setup.sh`, "root-path"])).trim()
    if (!existsSync(path)) return yield* new DebianRootMissing({ path })
    return path
  })
}
