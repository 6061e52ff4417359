import { ServerProbe } from "@patela/agent/host/ServerProbe"
import { TrialFile } from "@patela/agent/host/TrialFile"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { type Change, differences } from "@patela/domain/reconciler/Change"
import { type DesiredInput, type Kind, type KindSpec, make, ObservationFailed } from "@patela/domain/reconciler/Kind"
import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress, Scope } from "@patela/domain/reconciler/Resource"
import { relayScope } from "@patela/domain/reconciler/Resource"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Effect, Layer, Option, Stream } from "effect"

/** A trial file in memory. */
export const trialInMemory = () => {
  let config: NodeConfig | undefined
  return Layer.succeed(TrialFile, {
    read: Effect.sync(() => Option.fromUndefinedOr(config)),
    write: (next) => Effect.sync(() => void (config = next)),
    clear: Effect.sync(() => void (config = undefined))
  })
}

/** A server that every connection reaches. */
export const reachable = Layer.merge(
  Layer.succeed(ServerProbe, { connect: Effect.void, persist: Effect.void }),
  trialInMemory()
)

/** A host in memory: what is there, what cannot be written, and every write in order. */
export interface MemoryHost {
  readonly state: Map<ResourceAddress, string>
  readonly broken: Set<ResourceAddress>
  readonly writes: Array<string>
  /** Kinds that cannot be read. */
  readonly unreadable: Set<string>
  /** Kinds that are never done being read. */
  readonly stuck: Set<string>
  /** The kinds that were looked at, in order. */
  readonly looks: Array<string>
  /** How many more writes are let through before the writer dies, as a SIGKILL would end it. */
  lives: number
}

export const memoryHost = (): MemoryHost => ({
  state: new Map(),
  broken: new Set(),
  writes: [],
  unreadable: new Set(),
  stuck: new Set(),
  looks: [],
  lives: Number.POSITIVE_INFINITY
})

export class Killed extends Error {}

/**
 * A kind `name` with one resource a relay, that needs the same relay's resources of the kinds in `needs`. One that could
 * cut the node off can put back what it had.
 */
export const memoryKind = (
  host: MemoryHost,
  name: string,
  needs: ReadonlyArray<string>,
  more: Pick<KindSpec<string, string, never, never>, "watch"> & { readonly network?: boolean } = { watch: Stream.never }
): Kind<never, never> => {
  const prefix = new RegExp(`^relay/[a-z0-9]+/${name}$`)
  const mine = () => new Map([...host.state].filter(([address]) => prefix.test(address)))
  const checkpoint = Effect.sync(() => {
    const before = mine()
    return Effect.sync(() => {
      for (const address of mine().keys()) host.state.delete(address)
      for (const [address, value] of before) host.state.set(address, value)
      host.writes.push(`restore ${name}`)
      return done
    })
  })
  return make<string, string, never, never>({
    kind: name,
    desired: ({ config }) =>
      config.relays.map((relay) => ({
        address: `relay/${relay.name}/${name}`,
        scope: relayScope(relay.name),
        value: relay.torrc,
        needs: needs.map((need) => `relay/${relay.name}/${need}`)
      })),
    observe: () =>
      Effect.suspend(() => {
        host.looks.push(name)
        if (host.stuck.has(name)) return Effect.never
        return host.unreadable.has(name)
          ? Effect.fail(new ObservationFailed({ kind: name, message: `${name} cannot be read` }))
          : Effect.succeed(mine())
      }),
    diff: (desired, observed) =>
      differences({
        desired,
        observed,
        compare: (wanted, there) => wanted === there ? [] : [`${there} -> ${wanted}`],
        created: (wanted) => [wanted],
        removed: (_there, address) => ({ scope: scopeOf(address), lines: [] })
      }),
    apply: (changes) => Effect.sync(() => new Map(changes.map((change) => [change.address, write(host, change)]))),
    watch: more.watch,
    ...(more.network === true ? { checkpoint: () => checkpoint } : {})
  })
}

const scopeOf = (address: ResourceAddress): Scope => relayScope(RelayName.make(address.split("/")[1] ?? ""))

const write = (host: MemoryHost, change: Change<string, string>): Outcome => {
  if (host.broken.has(change.address)) return failed("broken")
  if (host.lives-- <= 0) throw new Killed()
  host.writes.push(`${change.action} ${change.address}`)
  if (change.action === "remove") host.state.delete(change.address)
  else host.state.set(change.address, change.desired)
  return done
}

/** A configuration of so many relays, each with a value of its own. */
export const memoryInput = (values: ReadonlyArray<readonly [name: string, value: string]>): DesiredInput => ({
  config: {
    relays: values.map(([name, torrc], index) => ({
      name: RelayName.make(name),
      slot: Slot.make(index),
      ip_v4: Ipv4.make(`198.51.100.${index + 2}`),
      ip_v6: null,
      or_port: 9001,
      dir_port: null,
      torrc,
      fingerprint: null
    })),
    network: {
      gateway_v4: Ipv4.make("198.51.100.1"),
      gateway_v6: null,
      prefix_v4: 24,
      prefix_v6: null,
      dns: [],
      pools: []
    },
    geoip: false,
    test_network: false,
    generation: 1,
    removed: []
  },
  facts: { cpus: 2, memory: 4 * 2 ** 30, relayInterface: { found: true, name: "ens4" } },
  configIsNew: true
})
