import { AgentState } from "@patela/agent/host/AgentState"
import type { HostFacts } from "@patela/domain/node/HostFacts"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import type { RefusedResource, Resource } from "@patela/domain/reconciler/Resource"
import { type Fingerprints } from "@patela/domain/relay/Fingerprint"
import { type RelayName, unitOf, userOf } from "@patela/domain/relay/RelayName"
import { AccountReader } from "@patela/reconcilers/accounts/AccountReader"
import type { Group, User } from "@patela/reconcilers/accounts/AccountTables"
import { desiredAccounts } from "@patela/reconcilers/accounts/DesiredAccount"
import { AddressReader, type HostAddress } from "@patela/reconcilers/addresses/AddressReader"
import { desiredAddresses } from "@patela/reconcilers/addresses/DesiredAddress"
import { desiredDirectories } from "@patela/reconcilers/directories/DesiredDirectories"
import { DirectoryReader } from "@patela/reconcilers/directories/DirectoryReader"
import type { Entry } from "@patela/reconcilers/directories/ObservedDirectories"
import { desiredDropIns } from "@patela/reconcilers/drop-ins/DesiredDropIn"
import { DropInLedgerReader } from "@patela/reconcilers/drop-ins/DropInLedger"
import { DropInReader } from "@patela/reconcilers/drop-ins/DropInReader"
import { FileMonitor } from "@patela/reconcilers/host/FileMonitor"
import { HostMonitor } from "@patela/reconcilers/host/HostMonitor"
import type { LookedAt } from "@patela/reconcilers/host/LookAtFile"
import { FamilyKeyReader, type FoundFamilyKey } from "@patela/reconcilers/identity/FamilyKeyReader"
import type { HostIdentity } from "@patela/reconcilers/identity/HostIdentity"
import {
  digestOfRelays,
  digestOfStored,
  IdentityStoreFailed,
  IdentityStoreReader,
  type StoreTag,
  storeTagOf
} from "@patela/reconcilers/identity/IdentityStore"
import { KeyFileReader } from "@patela/reconcilers/identity/KeyFileReader"
import {
  fingerprintsOf,
  identityDigest,
  identityFromBytes,
  type RelayIdentity
} from "@patela/reconcilers/identity/RelayIdentity"
import { SettingLedgerReader } from "@patela/reconcilers/kernel-settings/SettingLedger"
import { SettingReader } from "@patela/reconcilers/kernel-settings/SettingReader"
import { LedgerReader } from "@patela/reconcilers/ledger/LedgerReader"
import type { OwnedAddress } from "@patela/reconcilers/ledger/Owned"
import { desiredResolver } from "@patela/reconcilers/resolver/ResolverFile"
import { ResolverReader } from "@patela/reconcilers/resolver/ResolverReader"
import { desiredRoutes } from "@patela/reconcilers/routing/DesiredRoute"
import type { RouteEntry } from "@patela/reconcilers/routing/RouteEntry"
import { RouteReader } from "@patela/reconcilers/routing/RouteReader"
import { desiredSources } from "@patela/reconcilers/source-nat/DesiredSource"
import { skeletonTexts } from "@patela/reconcilers/source-nat/ObservedTable"
import { type Element, elementsOf, keyOf } from "@patela/reconcilers/source-nat/RelaySource"
import { skeletonOf } from "@patela/reconcilers/source-nat/Skeleton"
import { SourceNatReader } from "@patela/reconcilers/source-nat/SourceNatReader"
import { desiredTorrcs } from "@patela/reconcilers/torrc/DesiredTorrc"
import { TorrcReader } from "@patela/reconcilers/torrc/TorrcReader"
import { InstanceReader } from "@patela/reconcilers/units/InstanceReader"
import { loadedFrom, type LoadedTorrc } from "@patela/reconcilers/units/LoadedTorrc"
import { SystemdReader } from "@patela/reconcilers/units/SystemdReader"
import { UnitLedgerReader } from "@patela/reconcilers/units/UnitLedger"
import { Effect, Layer, Option, Result, Stream } from "effect"
import { createHash } from "node:crypto"

/** What every kind reads of a host, to be changed by a test as somebody would change the host. */
export interface PresentHost {
  readonly users: Map<string, User>
  readonly groups: Map<string, Group>
  readonly owned: Set<RelayName>
  /** The addresses in the ledger. */
  ownedAddresses: ReadonlyArray<OwnedAddress>
  readonly paths: Map<string, Entry>
  resolver: LookedAt
  readonly torrcs: Map<RelayName, LookedAt>
  readonly keys: Map<RelayName, { readonly seen: HostIdentity; readonly identity: RelayIdentity }>
  readonly stored: Map<StoreTag, RelayIdentity>
  readonly familyKeys: Map<RelayName, ReadonlyArray<FoundFamilyKey>>
  linkUp: boolean
  addresses: ReadonlyArray<HostAddress>
  routes: ReadonlyArray<RouteEntry>
  skeleton: ReadonlySet<string>
  elements: ReadonlyArray<Element>
  readonly dropIns: Map<RelayName, string>
  /** By path under /proc/sys. */
  readonly settings: Map<string, string>
  readonly units: Map<RelayName, { readonly active: string; readonly loaded: LoadedTorrc | undefined }>
  /** Kinds that cannot be read, with what their reader says. */
  readonly unreadable: Map<"accounts" | "torrc" | "units" | "key-store", string>
}

export const LINK = "ens4"

export const FACTS: HostFacts = { cpus: 4, memory: 8 * 2 ** 30, relayInterface: { found: true, name: LINK } }

/** A freshly booted host: a link that is down, and nothing else. */
export const bareHost = (): PresentHost => ({
  users: new Map(),
  groups: new Map(),
  owned: new Set(),
  ownedAddresses: [],
  paths: new Map(),
  resolver: { type: "absent" },
  torrcs: new Map(),
  keys: new Map(),
  stored: new Map(),
  familyKeys: new Map(),
  linkUp: false,
  addresses: [],
  routes: [],
  skeleton: new Set(),
  elements: [],
  dropIns: new Map(),
  // As a kernel has it by itself.
  settings: new Map([["net/core/somaxconn", "4096"], ["net/ipv4/ip_local_port_range", "32768\t60999"]]),
  units: new Map(),
  unreadable: new Map()
})

/** The identity that the relay of a name always has in these tests; nobody's in the world. */
export const identityOf = (name: string): RelayIdentity => {
  const bytes = Buffer.concat(["a", "b", "c"].map((part) => createHash("sha512").update(`${part} ${name}`).digest()))
  bytes[0] = (bytes[0] ?? 0) & 0xf8
  bytes[31] = ((bytes[31] ?? 0) & 0x7f) | 0x40
  // p is the greater of two odd numbers of 512 bits.
  for (const [first, last, top] of [[64, 127, 0xc0], [128, 191, 0x80]] as const) {
    bytes[first] = ((bytes[first] ?? 0) & 0x3f) | top
    bytes[last] = (bytes[last] ?? 0) | 1
  }
  return Result.getOrThrow(identityFromBytes(bytes))
}

const known = new Map<string, Fingerprints>()

/** Its fingerprints; deriving them takes milliseconds. */
export const fingerprintsFor = (name: string): Fingerprints => {
  const fingerprints = known.get(name) ?? fingerprintsOf(identityOf(name))
  known.set(name, fingerprints)
  return fingerprints
}

const valuesOf = <D>(resources: ReadonlyArray<Resource<D> | RefusedResource>): ReadonlyArray<D> =>
  resources.flatMap((resource) => "value" in resource ? [resource.value] : [])

const ROOT = { uid: 0, gid: 0 }

/** A host that has just what the kinds want for a configuration. */
export const hostOf = (config: NodeConfig, facts: HostFacts = FACTS): PresentHost => {
  const host = bareHost()
  const input = { config, facts }
  for (const { home, id, relay, shell } of valuesOf(desiredAccounts(input))) {
    const name = userOf(relay)
    host.users.set(name, { name, uid: id, gid: id, home, shell })
    host.groups.set(name, { name, gid: id })
    host.owned.add(relay)
  }
  for (const { directories } of valuesOf(desiredDirectories(input))) {
    for (const { gid, mode, path, uid } of directories) host.paths.set(path, { type: "directory", mode, uid, gid })
  }
  for (const { content } of valuesOf(desiredResolver(input))) {
    host.resolver = { type: "file", content, mode: 0o644, ...ROOT }
  }
  for (const { content, gid, relay } of valuesOf(desiredTorrcs(input))) {
    host.torrcs.set(relay, { type: "file", content, mode: 0o640, uid: 0, gid })
    host.units.set(relay, { active: "active", loaded: loadedFrom(content) })
  }
  for (const { content, relay } of valuesOf(desiredDropIns(input))) host.dropIns.set(relay, content)
  if (config.relays.length > 0) {
    host.settings.set("net/core/somaxconn", "16384")
    host.settings.set("net/ipv4/ip_local_port_range", "16384\t65535")
  }
  for (const { name } of config.relays) {
    const identity = identityOf(name)
    const fingerprints = fingerprintsFor(name)
    const seen: HostIdentity = { state: "present", fingerprints, digest: identityDigest(identity), untidy: [] }
    host.keys.set(name, { identity, seen })
    host.stored.set(storeTagOf(name), identity)
  }
  for (const value of valuesOf(desiredAddresses(input))) {
    if (value.is === "link") host.linkUp = true
    else {
      const { address, prefix, relay, slot } = value
      host.ownedAddresses = [...host.ownedAddresses, { address, relay, slot }]
      // Relays may have it together.
      const others = host.addresses.filter((one) => one.address !== address)
      host.addresses = [...others, { address, prefix, linkLocal: false, failed: false }]
    }
  }
  host.routes = valuesOf(desiredRoutes(input))
  for (const value of valuesOf(desiredSources(input))) {
    if (value.is === "skeleton") host.skeleton = skeletonTexts(skeletonOf(value.link))
    else {
      const elements = [...host.elements, ...elementsOf(value.source)]
      host.elements = [...new Map(elements.map((element) => [keyOf(element), element])).values()]
    }
  }
  return host
}

/** The readers of every kind, over such a host. */
export const readersOf = (host: PresentHost) => {
  const reading = <A>(kind: "accounts" | "torrc" | "units", read: () => A) =>
    Effect.suspend(() => {
      const message = host.unreadable.get(kind)
      return message === undefined ? Effect.sync(read) : Effect.fail(new ObservationFailed({ kind, message }))
    })
  return Layer.mergeAll(
    Layer.succeed(AgentState, { read: Effect.succeed({}) }),
    Layer.succeed(AccountReader, {
      read: reading("accounts", () => ({ users: [...host.users.values()], groups: [...host.groups.values()] }))
    }),
    Layer.succeed(LedgerReader, {
      read: Effect.sync(() => ({
        accounts: [...host.owned],
        instances: [...host.owned],
        addresses: host.ownedAddresses
      }))
    }),
    Layer.succeed(DirectoryReader, {
      look: (paths) => Effect.sync(() => new Map(paths.map((path) => [path, host.paths.get(path) ?? ABSENT])))
    }),
    Layer.succeed(ResolverReader, { read: Effect.sync(() => host.resolver) }),
    Layer.succeed(TorrcReader, { readAll: reading("torrc", () => new Map(host.torrcs)) }),
    Layer.succeed(KeyFileReader, {
      look: (owners) =>
        Effect.sync(() =>
          new Map(owners.map(({ name }) => [name, host.keys.get(name)?.seen ?? { state: "absent" } as const]))
        ),
      storedDigest: (owners) =>
        Effect.sync(() =>
          digestOfRelays(
            owners.map(({ name }) => [name, Option.fromUndefinedOr(host.keys.get(name)?.identity)] as const)
          )
        ),
      identity: ({ name }) => Effect.sync(() => Option.fromUndefinedOr(host.keys.get(name)?.identity))
    }),
    Layer.succeed(FamilyKeyReader, {
      look: Effect.sync(() => new Map(host.familyKeys)),
      secrets: () => Effect.succeed(new Map())
    }),
    Layer.succeed(IdentityStoreReader, {
      isToMove: Effect.succeed(false),
      read: Effect.sync(() => new Map(host.stored)),
      digest: Effect.suspend(() => {
        const message = host.unreadable.get("key-store")
        if (message !== undefined) return Effect.fail(new IdentityStoreFailed({ reason: "absent", message }))
        return Effect.succeed(host.stored.size === 0 ? Option.none() : Option.some(digestOfStored(host.stored)))
      })
    }),
    Layer.succeed(DropInReader, {
      readAll: Effect.sync(() =>
        new Map([...host.dropIns].map(([name, content]) => [
          name,
          { type: "file", content, mode: 0o644, ...ROOT, changedAt: 0, stamp: "read" } as const
        ]))
      )
    }),
    Layer.succeed(DropInLedgerReader, {
      read: Effect.sync(() => new Map([...host.dropIns.keys()].map((name) => [name, "read"])))
    }),
    Layer.succeed(SettingReader, {
      read: (_kind, paths) =>
        Effect.sync(() =>
          new Map(paths.flatMap((path) => {
            const text = host.settings.get(path)
            return text === undefined ? [] : [[path, { text, writable: true }] as const]
          }))
        ),
      changes: () => Stream.never
    }),
    Layer.succeed(SettingLedgerReader, { read: Effect.succeed(new Map()) }),
    Layer.succeed(FileMonitor, { changes: () => Stream.never }),
    Layer.succeed(HostMonitor, { events: () => Stream.never }),
    Layer.succeed(AddressReader, {
      links: Effect.sync(() => [{ name: LINK, up: host.linkUp, addresses: host.addresses }])
    }),
    Layer.succeed(RouteReader, { entries: Effect.sync(() => host.routes), texts: Effect.die("not asked for") }),
    Layer.succeed(SourceNatReader, {
      table: Effect.sync(() => ({ skeleton: host.skeleton, elements: host.elements })),
      text: Effect.die("not asked for")
    }),
    Layer.succeed(SystemdReader, {
      list: Effect.sync(() =>
        [...host.units].map(([name, { active }]) => ({ unit: unitOf(name), active, sub: "running", path: `/${name}` }))
      ),
      startedAt: () => Effect.succeed(0),
      changes: Stream.never
    }),
    Layer.succeed(InstanceReader, {
      read: (names) =>
        reading("units", () =>
          new Map(names.flatMap((name) => {
            const torrc = host.torrcs.get(name)
            return torrc?.type === "file"
              ? [[name, { content: loadedFrom(torrc.content), changedAt: 0, managed: true }] as const]
              : []
          })))
    }),
    Layer.succeed(UnitLedgerReader, {
      read: Effect.sync(() =>
        new Map([...host.units].flatMap(([name, { loaded }]) => loaded === undefined ? [] : [[name, loaded] as const]))
      )
    })
  )
}

const ABSENT: Entry = { type: "absent" }
