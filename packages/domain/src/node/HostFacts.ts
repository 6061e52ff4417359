/**
 * What the desired state depends on besides the configuration: facts of the host that Patela never changes.
 * `memory` is bytes. `relayInterface` is the link that relays use, or why none could be chosen.
 */
export interface HostFacts {
  readonly cpus: number
  readonly memory: number
  readonly relayInterface: RelayInterface
}

export type RelayInterface =
  | { readonly found: true; readonly name: string }
  | { readonly found: false; readonly why: string }
