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
    /** The relays that Patela put it there for, as the ledger says. */
    readonly owners: ReadonlyArray<RelayName>
    /** The relays that are to have it. */
    readonly wantedBy: ReadonlyArray<RelayName>
    /** The owner that does not want it any more, where that is what the resource is about. */
    readonly leftBy: RelayName | undefined
  }

export type AddressChange = Change<DesiredAddress, ObservedAddress>

/**
 * The relay link and everything on it by resource address: an address once for each relay that is to have it, and once for
 * each that it was put there for and that is not, as that relay's where it has no other. What is nobody's is
 * `address/IP/PREFIX`. Other links are left out: nothing on them is Patela's.
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
  const asked = new Set(desired.map(({ address }) => address))
  const claims = Map.groupBy(
    desired.flatMap(({ address, value }) => value.is === "address" ? [{ key: address, ...value }] : []),
    ({ address }) => address
  )
  const entries = Map.groupBy(ledger, ({ address }) => address)
  const keyFor = (owner: RelayName, address: string): ResourceAddress => {
    const key = addressOf(owner, address.includes(":") ? "v6" : "v4")
    return asked.has(key) || observed.has(key) ? `address/${address}/${owner}` : key
  }
  for (const [address, prefixes] of Map.groupBy(link.addresses, (one) => one.address)) {
    const own = claims.get(address) ?? []
    const owners = (entries.get(address) ?? []).map(({ relay }) => relay)
    const wantedBy = own.map(({ relay }) => relay)
    const it = { is: "address", link: link.name, address, prefixes, owners, wantedBy, leftBy: undefined } as const
    for (const { key } of own) observed.set(key, it)
    // With none of its owners among those that want it, it goes over to these by their own changes.
    if (own.length === 0 || owners.some((owner) => wantedBy.includes(owner))) {
      for (const owner of owners) {
        if (!wantedBy.includes(owner)) observed.set(keyFor(owner, address), { ...it, leftBy: owner })
      }
    }
    if (own.length > 0 || owners.length > 0) continue
    for (const one of prefixes) observed.set(`address/${address}/${one.prefix}`, { ...it, prefixes: [one] })
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
          scope: found.leftBy === undefined ? "node" : relayScope(found.leftBy),
          lines: found.prefixes.map(({ prefix }) =>
            found.wantedBy.length === 0
              ? lineOf("-", found, prefix)
              : `${lineOf("~", found, prefix)} stays for ${found.wantedBy.join(" ")}`
          )
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
  return [
    ...wrongPrefixes(wanted, found).map((prefix) => lineOf("-", found, prefix)),
    ...(good ? [] : [`+ ${wanted.address}/${wanted.prefix} dev ${wanted.link}`]),
    ...(good && !isNoted(wanted.relay, found)
      ? [`${lineOf("~", found, wanted.prefix)} is ${wanted.relay}'s ${besides(found)}`]
      : [])
  ]
}

type FoundAddress = ObservedAddress & { readonly is: "address" }

/** One that no relay is noted of was put there by somebody else, or by an agent that noted none. */
const isNoted = (relay: RelayName, { owners }: FoundAddress): boolean => owners.length === 0 || owners.includes(relay)

const besides = (found: FoundAddress): string => {
  const former = formerOwners(found)
  return former.length > 0 ? `now, and was ${former.join("'s and ")}'s` : "too"
}

/** The relays that it was put there for, where it goes over from all of them to others. */
export const formerOwners = ({ owners, wantedBy }: FoundAddress): ReadonlyArray<RelayName> =>
  owners.some((owner) => wantedBy.includes(owner)) ? [] : owners

/** The prefix lengths to take an address away in before it is added as wanted. */
export const wrongPrefixes = (
  wanted: DesiredAddress & { readonly is: "address" },
  found: FoundAddress
): ReadonlyArray<number> =>
  found.prefixes.filter(({ failed, prefix }) => prefix !== wanted.prefix || failed).map(({ prefix }) => prefix)

const lineOf = (sign: string, { address, link }: { readonly address: string; readonly link: string }, prefix: number) =>
  `${sign} ${address}/${prefix} dev ${link}`

const isOwned = (found: FoundAddress, link: WantedLink): boolean =>
  found.link === link.link &&
  found.prefixes.every(({ linkLocal }) =>
    isPatelas({ address: found.address, linkLocal }, found.owners.length > 0, link)
  )

/** Whether an address of the relay link is Patela's to remove, where the ledger says that it is `owned`, or does not. */
export const isPatelas = (
  { address, linkLocal }: Pick<HostAddress, "address" | "linkLocal">,
  owned: boolean,
  { pools, spared }: WantedLink
): boolean => !linkLocal && !spared.has(address) && (owned || pools.some((pool) => rangeHolds(pool, address)))
