import type { NodeConfig, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { markOf, metricsPortOf, uidOf } from "@patela/domain/relay/Slot"

/** What a relay has for itself, and what stands for it when blocks of relays are compared. */
const ownValues = (relay: ResolvedRelay): ReadonlyArray<readonly [value: string, stands: string]> => [
  [relay.name, "<name>"],
  [relay.ip_v4, "<ipv4>"],
  ...(relay.ip_v6 === null ? [] : [[relay.ip_v6, "<ipv6>"] as const]),
  [String(uidOf(relay.slot)), "<uid>"],
  [String(markOf(relay.slot)), "<mark>"],
  [String(metricsPortOf(relay.slot)), "<metrics port>"],
  ...(relay.fingerprint === null
    ? []
    : [[relay.fingerprint.rsa, "<rsa>"] as const, [relay.fingerprint.ed25519, "<ed25519>"] as const])
]

/**
 * A text of one relay with what the relay has for itself taken out, so that two relays of which the same is to be said
 * have the same text. Of a relay that is not configured any more nothing is known but its name: all addresses and greater
 * numbers that are to go with it are its own. Whose fingerprints stand in a list of a family differs from relay to relay
 * too, for none names itself.
 */
export const withoutOwn = (text: string, name: string, config: NodeConfig): string => {
  const relay = config.relays.find((each) => each.name === name)
  const own = new Map(relay === undefined ? [[name, "<name>"] as const] : ownValues(relay))
  const values = [...own.keys()]
    .sort((one, other) => other.length - one.length)
    .map((value) => value.replaceAll(/[.+/]/g, "\\$&"))
  return (relay === undefined ? withoutNumbers(text) : text)
    .replaceAll(
      new RegExp(`(?<![0-9A-Za-z.])(?:${values.join("|")})(?![0-9A-Za-z])`, "g"),
      (value) => own.get(value) ?? value
    )
    .replaceAll(/\$[0-9A-F]{40}/g, "<fingerprint>")
    // Relays take the node's processors in turn.
    .replaceAll(/\bCPUAffinity=\d+/g, "CPUAffinity=<cpu>")
}

const withoutNumbers = (text: string): string =>
  text.replaceAll(/\b\d{1,3}(?:\.\d{1,3}){3}\b/g, "<ipv4>")
    .replaceAll(/(?<![0-9A-Za-z:])[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}(?![0-9A-Za-z:])/g, "<ipv6>")
    .replaceAll(/\b\d{5,}\b/g, "<number>")
