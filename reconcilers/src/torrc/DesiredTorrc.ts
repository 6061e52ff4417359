import type { HostFacts } from "@patela/domain/node/HostFacts"
import type { NodeConfig, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import {
  type RefusedResource,
  relayScope,
  type Resource,
  type ResourceAddress
} from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { uidOf } from "@patela/domain/relay/Slot"
import { checkLayer } from "@patela/domain/torrc/checkLayer"
import { managedLines, renderRelayTorrc, RESOLVER_FILE } from "@patela/domain/torrc/ManagedLines"
import { parseTorrc } from "@patela/domain/torrc/parse"
import { Result } from "effect"

/** The torrc of a relay as a file. The owner is root; `gid` is the relay's group, which reads it at a reload. */
export interface DesiredTorrc {
  readonly relay: RelayName
  readonly content: string
  readonly gid: number
}

/**
 * Nobody but root writes it, and no other relay reads it. At its start tor reads it as root, at a reload (SIGHUP) as the
 * relay's user, so the group must be able to.
 */
export const TORRC_MODE = 0o640

export const torrcAddress = (relay: RelayName): ResourceAddress => `relay/${relay}/torrc`

interface Input {
  readonly config: NodeConfig
  readonly facts: HostFacts
}

/**
 * Every relay's torrc. What the server sends was judged by the server; it is judged again here, so that a server in
 * the wrong hands cannot make nodes run programs or write where it likes.
 */
export const desiredTorrcs = (input: Input): ReadonlyArray<Resource<DesiredTorrc> | RefusedResource> =>
  input.config.relays.map((relay) => {
    const place = { address: torrcAddress(relay.name), scope: relayScope(relay.name) }
    return Result.match(contentOf(relay, input), {
      onFailure: (refused) => ({ ...place, refused }),
      onSuccess: (content) => ({
        ...place,
        needs: [
          `relay/${relay.name}/directories`,
          `relay/${relay.name}/account`,
          // tor takes a FamilyId without its key, and then declares nothing.
          ...((input.config.family?.ids ?? []).length === 0 ? [] : [`relay/${relay.name}/family-keys`]),
          ...(input.config.network.dns.length === 0 ? [] : ["node/resolver"])
        ],
        value: { relay: relay.name, content, gid: uidOf(relay.slot) }
      })
    })
  })

const contentOf = (relay: ResolvedRelay, { config, facts }: Input): Result.Result<string, string> =>
  Result.flatMap(
    Result.mapError(parseTorrc(relay.torrc), ({ message }) => `the torrc of ${relay.name}: ${message}`),
    ({ lines }) => {
      const { accepted, refusals } = checkLayer(lines, { testNetwork: config.test_network })
      if (refusals.length > 0) {
        const reasons = refusals.map(({ line, message }) => `line ${line}: ${message}`)
        return Result.fail(`the torrc of ${relay.name} is refused on the node too; ${reasons.join("; ")}`)
      }
      return Result.succeed(
        renderRelayTorrc({ resolved: accepted, managed: managedLines(managedRelay(relay, config, facts)) })
      )
    }
  )

const managedRelay = (relay: ResolvedRelay, config: NodeConfig, facts: HostFacts) => ({
  name: relay.name,
  ipv4: relay.ip_v4,
  ipv6: relay.ip_v6,
  orPort: relay.or_port,
  dirPort: relay.dir_port,
  slot: relay.slot,
  relayCount: config.relays.length,
  memoryBytes: facts.memory,
  resolvConf: config.network.dns.length === 0 ? null : RESOLVER_FILE,
  geoip: config.geoip,
  ...(config.family === undefined ? {} : { family: config.family }),
  ...(relay.fingerprint === null ? {} : { fingerprint: relay.fingerprint.rsa })
})
