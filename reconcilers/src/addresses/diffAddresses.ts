import { rangeHolds } from "@patela/domain/net/AddressRange"
import { type Change, differences } from "@patela/domain/reconciler/Change"
import { relayScope, type Resource, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import type { OwnedAddress } from "../ledger/Owned.ts"
import type { HostAddress, HostLink } from "./AddressReader.ts"
import { addressOf, type DesiredAddress, LINK } from "./DesiredAddress.ts"

export type WantedLink = DesiredAddress & { readonly is: "link" }

/** The relay link, or one address on it in each prefix length that it stands there with. */
export type ObservedAddress =
  | { readonly is: "link"; readonly link: string; readonly up: boolean }
  | {
    readonly is: "address"
    readonly link: string
    readonly address: string
    readonly prefixes: ReadonlyArray<Pick<HostAddress, "prefix" | "failed" | "linkLocal">>
    /** The relay that Patela put it there for, as the ledger says. */
    readonly owner: RelayName | undefined
  }

export type AddressChange = Change<DesiredAddress, ObservedAddress>

/**
 * The relay link and everything on it by resource address. What no resource asks for is that of the relay it was put there
 * for, where that has no other, and else `address/IP/PREFIX`. Other links are left out: nothing on them is Patela's.
 */
export const observedAddresses = (
  desired: ReadonlyArray<Resource<DesiredAddress>>,
  links: ReadonlyArray<HostLink>,
  ledger: ReadonlyArray<OwnedAddress>
): ReadonlyMap<ResourceAddress, ObservedAddress> => {
  const observed = new Map<ResourceAddress, ObservedAddress>()
  const wanted = desired.find(({ address }) => address === LINK)?.value
  const link = links.find(({ name }) => name === wanted?.link)
  if (link === undefined) return observed
  observed.set(LINK, { is: "link", link: link.name, up: link.up })
  const resources = new Map<string, ResourceAddress>()
  const asked = new Set<ResourceAddress>()
  for (const { address, value } of desired) {
    asked.add(address)
    if (value.is === "address") resources.set(value.address, address)
  }
  const owners = new Map(ledger.map(({ address, relay }) => [address, relay]))
  const leftBy = (owner: RelayName | undefined, address: string): ResourceAddress | undefined => {
    const key = owner === undefined ? undefined : addressOf(owner, address.includes(":") ? "v6" : "v4")
    if (key === undefined || asked.has(key)) return undefined
    const before = observed.get(key)
    return before === undefined || (before.is === "address" && before.address === address) ? key : undefined
  }
  for (const { address, ...prefix } of link.addresses) {
    const owner = owners.get(address)
    const key = resources.get(address) ?? leftBy(owner, address) ?? `address/${address}/${prefix.prefix}`
    const before = observed.get(key)
    const prefixes = before?.is === "address" ? [...before.prefixes, prefix] : [prefix]
    observed.set(key, { is: "address", link: link.name, address, prefixes, owner })
  }
  return observed
}

/**
 * What is missing, what has another prefix length, and what no relay asks for of the relay link: in a pool, or put there by
 * Patela.
 */
export const diffAddresses = (
  desired: ReadonlyArray<Resource<DesiredAddress>>,
  observed: ReadonlyMap<ResourceAddress, ObservedAddress>
): ReadonlyArray<AddressChange> => {
  const link = desired.find(({ address }) => address === LINK)?.value
  return differences<DesiredAddress, ObservedAddress>({
    desired,
    observed,
    compare,
    created: (value) =>
      value.is === "link"
        ? [`+ link ${value.link} up`]
        : [`+ ${value.address}/${value.prefix} dev ${value.link}`],
    removed: (found) =>
      link?.is === "link" && found.is === "address" && isOwned(found, link)
        ? {
          scope: found.owner === undefined ? "node" : relayScope(found.owner),
          lines: found.prefixes.map(({ prefix }) => lineOf("-", found, prefix))
        }
        : undefined
  })
}

const compare = (wanted: DesiredAddress, found: ObservedAddress): ReadonlyArray<string> => {
  if (wanted.is === "link") {
    return found.is === "link" && found.up ? [] : [`~ link ${wanted.link} down -> up`]
  }
  if (found.is !== "address") return [`+ ${wanted.address}/${wanted.prefix} dev ${wanted.link}`]
  const good = found.prefixes.some(({ failed, prefix }) => prefix === wanted.prefix && !failed)
  const isOthers = found.owner !== undefined && found.owner !== wanted.relay
  return [
    ...wrongPrefixes(wanted, found).map((prefix) => lineOf("-", found, prefix)),
    ...(good ? [] : [`+ ${wanted.address}/${wanted.prefix} dev ${wanted.link}`]),
    ...(good && isOthers
      ? [`${lineOf("~", found, wanted.prefix)} is ${wanted.relay}'s now, and was ${found.owner}'s`]
      : [])
  ]
}

/** The prefix lengths to take an address away in before it is added as wanted. */
export const wrongPrefixes = (
  wanted: DesiredAddress & { readonly is: "address" },
  found: ObservedAddress & { readonly is: "address" }
): ReadonlyArray<number> =>
  found.prefixes.filter(({ failed, prefix }) => prefix !== wanted.prefix || failed).map(({ prefix }) => prefix)

const lineOf = (sign: string, { address, link }: { readonly address: string; readonly link: string }, prefix: number) =>
  `${sign} ${address}/${prefix} dev ${link}`

const isOwned = (found: ObservedAddress & { readonly is: "address" }, link: WantedLink): boolean =>
  found.link === link.link &&
  found.prefixes.every(({ linkLocal }) =>
    isPatelas({ address: found.address, linkLocal }, found.owner !== undefined, link)
  )

/** Whether an address of the relay link is Patela's to remove, where the ledger says that it is `owned`, or does not. */
export const isPatelas = (
  { address, linkLocal }: Pick<HostAddress, "address" | "linkLocal">,
  owned: boolean,
  { pools, spared }: WantedLink
): boolean => !linkLocal && !spared.has(address) && (owned || pools.some((pool) => rangeHolds(pool, address)))
