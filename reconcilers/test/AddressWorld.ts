import type { Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Schema } from "effect"
import { Addresses } from "../src/addresses/Addresses.ts"
import { AddressReader, type HostLink } from "../src/addresses/AddressReader.ts"
import { type AddressStep, AddressWriter } from "../src/addresses/AddressWriter.ts"
import type { LedgerReader } from "../src/ledger/LedgerReader.ts"
import type { LedgerWriter } from "../src/ledger/LedgerWriter.ts"
import type { OwnedAddress } from "../src/ledger/Owned.ts"
import { type Broken, FakeHost, type World } from "./KindLaws.ts"
import { type RelayOf, relayOf } from "./NetworkInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

export type AddressServices = Monitors | AddressReader | AddressWriter | LedgerReader | LedgerWriter

/** The kind with all that it asks for. */
export const kind: Kind<AddressServices, AddressServices> = Addresses

/** Addresses in and outside the pools, of both families, of relays and of nobody. */
export const Written = Schema.Struct({
  link: Schema.Literals(["e0", "m0"]),
  address: Schema.Literals([
    "198.51.100.10",
    "198.51.100.11",
    "198.51.100.12",
    "198.51.100.77",
    "198.51.100.200",
    "192.0.2.5",
    "2001:db8:2::a",
    "2001:db8:2::b",
    "2001:db8:2::99",
    "2001:db8:3::1",
    "fe80::1"
  ]),
  prefix: Schema.Literals([24, 25, 32, 64]),
  failed: Schema.Boolean
})

const linksOf = (written: ReadonlyArray<typeof Written.Type>, up: boolean): ReadonlyArray<HostLink> =>
  ["m0", "e0"].map((name) => ({
    name,
    up: up || name === "m0",
    addresses: [
      ...new Map(
        written.filter(({ link }) => link === name).map(({ address, failed, prefix }) => [
          `${address}/${prefix}`,
          { address, prefix, failed, linkLocal: address.startsWith("fe80") }
        ])
      ).values()
    ]
  }))

const foreignOf = (links: ReadonlyArray<HostLink>, relays: ReadonlyArray<ReturnType<RelayOf>>) => {
  const ours = new Set(relays.flatMap(({ ip_v4, ip_v6 }) => ip_v6 === null ? [ip_v4] : [ip_v4, ip_v6]))
  return links.flatMap(({ addresses, name }) =>
    addresses.filter(({ address }) => {
      if (name !== "e0") return true
      const pooled = /^198\.51\.100\.[1-9]\d$|^2001:db8:2::(.|..)$/.test(address)
      return !pooled && !ours.has(address)
    }).map((address) => ({ name, ...address }))
  )
}

/** What is on the host, and what is asked of it. */
export interface Start {
  readonly written: ReadonlyArray<typeof Written.Type>
  readonly up: boolean
  readonly slots: ReadonlyArray<number>
  /** Slots of relays whose IPv4 address the kernel refuses. */
  readonly refused: ReadonlyArray<number>
  /** What the ledger says was put on the link, besides. */
  readonly owned?: ReadonlyArray<OwnedAddress>
  readonly relay?: RelayOf
}

/** A kernel in memory: links with addresses. It refuses both addresses of a broken relay. */
export const worldOf =
  ({ owned = [], refused, relay = relayOf, slots, up, written }: Start) =>
  (broken: Broken): World<AddressServices> & {
    readonly host: FakeHost
    readonly isOnLink: (address: string) => boolean
  } => {
    const host = new FakeHost({ addresses: owned })
    let links = linksOf(written, up)
    const relays = slots.map(relay)
    const wanted = new Set<string | null>(relays.flatMap(({ ip_v4, ip_v6 }) => [ip_v4, ip_v6]))
    const refuses = new Set([
      ...refused.map((slot) => relay(slot).ip_v4),
      ...relays.flatMap(({ ip_v4, ip_v6, name }) => broken.has(RelayName.make(name)) ? [ip_v4, ip_v6] : []),
      ...owned.flatMap(({ address, relay }) => broken.has(relay) && !wanted.has(address) ? [address] : [])
    ])
    const change = (name: string, edit: (link: HostLink) => HostLink) =>
      host.write(() => {
        links = links.map((link) => link.name === name ? edit(link) : link)
      })
    const perform = Effect.fnUntraced(function*(step: AddressStep) {
      if (step.step === "up" || step.step === "down") {
        yield* change(step.link, ({ addresses, name }) => ({ name, addresses, up: step.step === "up" }))
        return undefined
      }
      const { address, link, prefix } = step
      if (refuses.has(address)) return "RTNETLINK answers: Permission denied"
      const added = step.step === "add" ? [{ address, prefix, linkLocal: false, failed: false }] : []
      yield* change(link, ({ addresses, name, up }) => ({
        name,
        up,
        addresses: [...addresses.filter((one) => one.address !== address || one.prefix !== prefix), ...added]
      }))
      return undefined
    })
    const layer = Layer.mergeAll(
      noMonitors,
      host.ledger(),
      Layer.succeed(AddressReader, { links: Effect.sync(() => links) }),
      Layer.succeed(AddressWriter, { perform: (steps) => Effect.forEach(steps, perform) })
    )
    const isForeign = ({ address, name }: { readonly address: string; readonly name: string }) =>
      name !== "e0" || !owned.some((one) => one.address === address)
    return {
      host,
      layer,
      foreign: () => foreignOf(links, relays).filter(isForeign),
      isOnLink: (address) =>
        links.some((link) => link.name === "e0" && link.addresses.some((one) => one.address === address)),
      excused: sharedWith(broken, relays, owned)
    }
  }

/** All addresses of relays that have one of them together with a broken relay. */
const sharedWith = (
  broken: Broken,
  relays: ReadonlyArray<ReturnType<RelayOf>>,
  owned: ReadonlyArray<OwnedAddress>
): ReadonlySet<string> => {
  const having = [
    ...relays.flatMap((
      { ip_v4, ip_v6, name }
    ) => [{ ip: ip_v4, name }, ...ip_v6 === null ? [] : [{ ip: ip_v6, name }]]),
    ...owned.map(({ address, relay }) => ({ ip: address, name: String(relay) }))
  ]
  const names = new Set([...broken].map(String))
  const ill = [...Map.groupBy(having, ({ ip }) => ip).values()].map((all) => new Set(all.map(({ name }) => name)))
    .filter((having) => having.size > 1 && [...having].some((name) => names.has(name)))
  const excused = new Set(ill.flatMap((having) => [...having]))
  return new Set(
    having.filter(({ name }) => excused.has(name)).flatMap(({ ip, name }) => [
      `relay/${name}/address-${ip.includes(":") ? "v6" : "v4"}`,
      `address/${ip}/${name}`
    ])
  )
}
