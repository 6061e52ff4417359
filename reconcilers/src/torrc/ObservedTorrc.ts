import type { RelayName } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import type { LookedAt } from "../host/LookAtFile.ts"

/** What stands in the place of a torrc. */
export interface ObservedTorrc {
  readonly relay: RelayName
  readonly found: Exclude<LookedAt, { readonly type: "absent" }>
  /** The ledger says that Patela made the instance. */
  readonly owned: boolean
}

export const hasHeader = ({ found }: ObservedTorrc): boolean =>
  found.type === "file" && found.content.split("\n", 1)[0] === OWNED_HEADER

/** Why the file is not Patela's to replace, or undefined. Without header it may be, if Patela made the instance. */
export const whyForeign = (observed: ObservedTorrc): string | undefined => {
  if (observed.found.type === "not a file") return "is a link, a directory or too large, and was left alone"
  if (hasHeader(observed) || observed.owned) return undefined
  return "was not written by Patela and was left alone"
}
