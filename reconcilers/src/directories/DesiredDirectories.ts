import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { relayScope, type Resource, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { uidOf } from "@patela/domain/relay/Slot"
import {
  configDirectoryOf,
  INSTANCES_CONFIG,
  INSTANCES_STATE,
  keysDirectoryOf,
  stateDirectoryOf
} from "../host/HostPaths.ts"

/** A directory as it should be. `mode` is the permission bits with set-group-ID, as in chmod(2). */
export interface DirectorySpec {
  readonly path: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Whether the directory is this relay's alone, and not one that all instances stand in. */
  readonly own: boolean
}

/** The directories of one relay, each after the one that it stands in. */
export interface DesiredDirectories {
  readonly relay: RelayName
  readonly directories: ReadonlyArray<DirectorySpec>
}

export const directoriesAddress = (relay: RelayName): ResourceAddress => `relay/${relay}/directories`

/**
 * As Debian's tor-instance-create makes them, and keys/ before tor does, so that keys can be put into it. Tor itself
 * takes 02700 for its private directories: it looks at the bits of group and others alone.
 */
export const desiredDirectories = (
  { config }: { readonly config: NodeConfig }
): ReadonlyArray<Resource<DesiredDirectories>> =>
  config.relays.map(({ name, slot }) => {
    const owner = { uid: uidOf(slot), gid: uidOf(slot) }
    const root = { uid: 0, gid: 0 }
    return {
      address: directoriesAddress(name),
      scope: relayScope(name),
      needs: [`relay/${name}/account`],
      value: {
        relay: name,
        directories: [
          { path: INSTANCES_CONFIG, mode: 0o755, ...root, own: false },
          { path: configDirectoryOf(name), mode: 0o755, ...root, own: true },
          { path: INSTANCES_STATE, mode: 0o755, ...root, own: false },
          { path: stateDirectoryOf(name), mode: 0o2700, ...owner, own: true },
          { path: keysDirectoryOf(name), mode: 0o2700, ...owner, own: true }
        ]
      }
    }
  })
