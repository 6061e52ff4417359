import { Effect, Schema } from "effect"
import { existsSync } from "node:fs"
import { runOk } from "./Command.ts"
import { repositoryRoot } from "./Repository.ts"

/** The Debian root that nodes boot has not been made on this machine, or its package list has changed since. */
export class DebianRootMissing extends Schema.TaggedError<DebianRootMissing>()("DebianRootMissing", {
  path: Schema.String,
  made: Schema.String
}) {
  override get message() {
    return `There is no Debian root at ${this.path}, so no node can boot. Run ${this.made} as root, which makes it.`
  }
}

/** What a node boots: what an image has, or that and the programs that the bench compares with. */
export type RootKind = "node" | "bench"

const MODES = {
  node: { path: "root-path", made: "scripts/setup.sh" },
  bench: { path: "bench-root-path", made: "scripts/setup.sh bench" }
} as const

export const DebianRoot = {
  /** Finds the cached root that scripts/setup.sh makes. It is never written: each node boots on a layer of its own. */
  find: Effect.fnUntraced(function*(kind: RootKind = "node") {
    const mode = MODES[kind]
    const path = (yield* runOk([`${repositoryRoot}/scripts/setup.sh`, mode.path])).trim()
    if (!existsSync(path)) return yield* new DebianRootMissing({ path, made: mode.made })
    return path
  })
}
