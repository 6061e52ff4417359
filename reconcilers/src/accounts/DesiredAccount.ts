import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { RefusedResource, Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import { relayScope } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { uidOf } from "@patela/domain/relay/Slot"
import { stateDirectoryOf } from "../host/HostPaths.ts"

/** The account that a relay runs as: user and group `_tor-NAME` with one number for both. */
export interface DesiredAccount {
  readonly relay: RelayName
  readonly id: number
  readonly home: string
  readonly shell: string
}

/** Nobody logs in as a relay. */
export const NO_LOGIN = "/usr/sbin/nologin"

export const accountAddress = (relay: RelayName): ResourceAddress => `relay/${relay}/account`

/**
 * One account a relay. Relays that share a name or a slot are all refused: neither is known to be the right one, and
 * two relays under one UID could read each other's keys.
 */
export const desiredAccounts = (
  { config }: { readonly config: NodeConfig }
): ReadonlyArray<Resource<DesiredAccount> | RefusedResource> =>
  config.relays.map(({ name, slot }) => {
    const place = { address: accountAddress(name), scope: relayScope(name) }
    const others = config.relays.filter((other) => other.name === name || other.slot === slot)
    if (others.length > 1) {
      const who = [...new Set(others.map((other) => `${other.name} (slot ${other.slot})`))].join(", ")
      return { ...place, refused: `relays share a name or a slot, which the server must not do: ${who}` }
    }
    return {
      ...place,
      needs: [],
      value: { relay: name, id: uidOf(slot), home: stateDirectoryOf(name), shell: NO_LOGIN }
    }
  })
