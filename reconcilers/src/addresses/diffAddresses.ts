import { rangeHolds } from "@patela/domain/net/AddressRange"
import { type Change, differences } from "@patela/domain/reconciler/Change"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { HostAddress, HostLink } from "./AddressReader.ts"
import { type DesiredAddress, LINK } from "./DesiredAddress.ts"

export type WantedLink = DesiredAddress & { readonly is: "link" }

/** The relay link, or one address on it in each prefix length that it stands there with. */
export type ObservedAddress =
  | { readonly is: "link"; readonly link: string; readonly up: boolean }
  | {
    readonly is: "address"
    readonly link: string
    readonly address: string
    readonly prefixes: ReadonlyArray<Pick<HostAddress, "prefix" | "failed" | "linkLocal">>
  }

export type AddressChange = Change<DesiredAddress, ObservedAddress>

/**
 * The relay link and everything on it by resource address. What no resource asks for is `address/IP/PREFIX`. Other
 * links are left out: nothing on them is Patela's.
 */
export const observedAddresses = (
  desired: ReadonlyArray<Resource<DesiredAddress>>,
  links: ReadonlyArray<HostLink>
): ReadonlyMap<ResourceAddress, ObservedAddress> => {
  const observed = new Map<ResourceAddress, ObservedAddress>()
  const wanted = desired.find(({ address }) => address === LINK)?.value
  const link = links.find(({ name }) => name === wanted?.link)
  if (link === undefined) return observed
  observed.set(LINK, { is: "link", link: link.name, up: link.up })
  const resources = new Map<string, ResourceAddress>()
  for (const { address, value } of desired) if (value.is === "address") resources.set(value.address, address)
  for (const { address, ...prefix } of link.addresses) {
    const key = resources.get(address) ?? `address/${address}/${prefix.prefix}`
    const before = observed.get(key)
    const prefixes = before?.is === "address" ? [...before.prefixes, prefix] : [prefix]
    observed.set(key, { is: "address", link: link.name, address, prefixes })
  }
  return observed
}

/** What is missing, what has another prefix length, and what stands in a pool on the relay link without a relay. */
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
      link?.is === "link" && isOwned(found, link) && found.is === "address"
        ? { scope: "node", lines: found.prefixes.map(({ prefix }) => lineOf("-", found, prefix)) }
        : undefined
  })
}

const compare = (wanted: DesiredAddress, found: ObservedAddress): ReadonlyArray<string> => {
  if (wanted.is === "link") {
    return found.is === "link" && found.up ? [] : [`~ link ${wanted.link} down -> up`]
  }
  if (found.is !== "address") return [`+ ${wanted.address}/${wanted.prefix} dev ${wanted.link}`]
  const good = found.prefixes.some(({ failed, prefix }) => prefix === wanted.prefix && !failed)
  return [
    ...wrongPrefixes(wanted, found).map((prefix) => lineOf("-", found, prefix)),
    ...(good ? [] : [`+ ${wanted.address}/${wanted.prefix} dev ${wanted.link}`])
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

const isOwned = (found: ObservedAddress, link: WantedLink): boolean =>
  found.is === "address" && found.link === link.link &&
  found.prefixes.every(({ linkLocal }) => isInPools({ address: found.address, linkLocal }, link))

/** Whether an address of the relay link is Patela's to remove. */
export const isInPools = (
  { address, linkLocal }: Pick<HostAddress, "address" | "linkLocal">,
  { pools, spared }: WantedLink
): boolean => !linkLocal && !spared.has(address) && pools.some((pool) => rangeHolds(pool, address))
