import type { RelayName } from "@patela/domain/relay/RelayName"

/** What stands at a path, itself and not what it may link to. */
export type Entry =
  | { readonly type: "absent" }
  | { readonly type: "directory"; readonly mode: number; readonly uid: number; readonly gid: number }
  | { readonly type: "link" | "file" }

/** What stands at the paths of one relay. */
export interface ObservedDirectories {
  readonly relay: RelayName
  /** The ledger says that Patela made the instance. */
  readonly owned: boolean
  readonly entries: ReadonlyMap<string, Entry>
}
