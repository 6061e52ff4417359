import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { ChangeView } from "@patela/domain/reconciler/Change"
import type { Scope } from "@patela/domain/reconciler/Resource"
import { relayScope } from "@patela/domain/reconciler/Resource"
import type { Hold } from "../converge/Hold.ts"

/** The kind whose resources are the running relays themselves. */
const UNITS = "units"

/**
 * Holds removals that a mistake on the server, rather than a person, may have asked for: all of them where the
 * configuration has no relay or is older than one that was applied before, and those of relays where more than half of
 * the running ones would go at once. A relay that a person took off the node (`removed`), or that has another name now
 * (`formerly`), goes in any case. Pure.
 *
 * `changes` are all changes of a full look.
 */
export const pruneGuard = (
  changes: ReadonlyArray<ChangeView>,
  config: NodeConfig,
  applied: number | undefined
): Hold => {
  const renamed = config.relays.flatMap(({ formerly = [] }) => formerly)
  const removed = new Set<Scope>([...config.removed, ...renamed].map(relayScope))
  const why = reasonFor(changes, config, applied, removed)
  if (why === undefined) return () => undefined
  return ({ action, scope }) => {
    if (action !== "remove" || removed.has(scope)) return undefined
    // Where all that is left was taken off by a person, so was what belongs to no relay in particular.
    if (scope === "node" && why.all === "empty" && removed.size > 0) return undefined
    return scope === "node" && why.all === undefined ? undefined : why.message
  }
}

interface Reason {
  readonly message: string
  /** Set where removals of the node's own things are held too. */
  readonly all?: "empty" | "older"
}

const reasonFor = (
  changes: ReadonlyArray<ChangeView>,
  config: NodeConfig,
  applied: number | undefined,
  removed: ReadonlySet<Scope>
): Reason | undefined => {
  if (config.relays.length === 0) {
    return {
      all: "empty",
      message:
        "is not removed, for the server's configuration has no relay at all. If that is meant, take the relays " +
        "off this node on the server: patela relay remove NAME"
    }
  }
  if (applied !== undefined && config.generation < applied) {
    return {
      all: "older",
      message: `is not removed, for the server's configuration (generation ${config.generation}) is older than what ` +
        `this node already applied (${applied}). Was the server's database restored from a copy?`
    }
  }
  const units = changes.filter(({ kind }) => kind === UNITS)
  const leaving = units.filter(({ action, scope }) => action === "remove" && !removed.has(scope)).length
  const starting = units.filter(({ action }) => action === "create").length
  const running = config.relays.length - starting + units.filter(({ action }) => action === "remove").length
  if (leaving * 2 <= running) return undefined
  return {
    message: `is not removed, for ${leaving} of ${running} running relays would go at once and nobody took them off ` +
      "this node. If that is meant, say so on the server: patela relay remove NAME"
  }
}
