import type { NodeFamily } from "@patela/domain/family/NodeFamily"
import { managedLines, RESOLVER_FILE, settledLines } from "@patela/domain/torrc/ManagedLines"
import { renderLine } from "@patela/domain/torrc/render"
import type { Torrc } from "@patela/domain/torrc/Torrc"
import type { NodeRow } from "../nodes/NodeRow.ts"
import type { RelayRow } from "../relays/RelayRow.ts"
import type { NetworkSettings } from "../settings/NetworkSettings.ts"
import { type LayerReader, type LayerTexts, tracedLayers } from "./resolveTorrc.ts"
import { scopeText } from "./TorrcScope.ts"

/** A line of a resolved torrc: `from` is `default`, `node 5`, `relay toma` or `Patela`, `line` its line there. */
export interface ExplainedLine {
  readonly text: string
  readonly from: string
  readonly line: number | null
}

/** Whose layers are explained: nobody's in particular, of a node, of a relay of it. */
export interface LayerOwners {
  readonly node?: NodeRow
  readonly relay?: RelayRow
  /** How many relays the node runs. */
  readonly relayCount: number
  readonly network: NetworkSettings | undefined
  /** What the node's relays declare. */
  readonly family?: NodeFamily
}

/** What the layers come to, line by line; for a relay with the lines that Patela writes itself. */
export const explainTorrc = (
  texts: LayerTexts,
  owners: LayerOwners,
  read: LayerReader
): ReadonlyArray<ExplainedLine> => {
  const { managed, resolved } = settledLines({ managed: patelasLines(owners), resolved: tracedLayers(texts, read) })
  return [
    ...managed.map((line) => ({ text: renderLine(line), from: "Patela", line: null })),
    ...resolved.map((line) => ({ text: renderLine(line), from: layerName(line.layer, owners), line: line.line }))
  ]
}

const layerName = (layer: number, { node, relay }: LayerOwners): string => {
  if (layer === 1 && node !== undefined) return scopeText({ of: "node", id: node.id })
  if (layer === 2 && relay !== undefined) return scopeText({ of: "relay", name: relay.name })
  return scopeText({ of: "default" })
}

/** As the node's agent makes them from what it is told and its memory, which it reported. */
const patelasLines = ({ node, relay, relayCount, network, family }: LayerOwners): Torrc =>
  node === undefined || relay === undefined ? [] : managedLines({
    name: relay.name,
    ipv4: relay.ip_v4,
    ipv6: relay.ip_v6,
    orPort: relay.or_port,
    dirPort: relay.dir_port,
    slot: relay.slot,
    relayCount,
    // No node has relays that did not report its hardware.
    memoryBytes: node.memory ?? 0,
    resolvConf: network === undefined || network.dns.length === 0 ? null : RESOLVER_FILE,
    geoip: node.geoip_override ?? network?.geoip ?? false,
    ...family === undefined ? {} : { family },
    ...relay.fingerprint_rsa === null ? {} : { fingerprint: relay.fingerprint_rsa }
  })
