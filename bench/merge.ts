import { Effect } from "effect"
import { performance } from "node:perf_hooks"
import { layerReader, type LayerTexts, resolveTorrc } from "../packages/server/src/torrc/resolveTorrc.ts"
import type { Bench } from "./Bench.ts"
import { median, plain } from "./Row.ts"

const NODES = 1250
const RELAYS_OF_EACH = 8
const RUNS = 11

const GLOBAL = `# The whole fleet
ContactInfo "ops AT example DOT org # 24/7"
ExitRelay 1
ExitPolicyRejectPrivate 1
ExitPolicy accept *:80
ExitPolicy accept *:443
ExitPolicy accept *:993
ExitPolicy reject *:*
RelayBandwidthRate 40 MBytes
RelayBandwidthBurst 80 MBytes
Log notice syslog
SafeLogging 1
HeartbeatPeriod 1 hour
DirCache 1
`

/** Every node's and every relay's layer is another, as after years of small decisions. */
const fleet: ReadonlyArray<ReadonlyArray<LayerTexts>> = Array.from(
  { length: NODES },
  (_, node) =>
    Array.from({ length: RELAYS_OF_EACH }, (_, slot) => ({
      global: GLOBAL,
      node: `# node ${node}\nRelayBandwidthRate ${20 + node % 50} MBytes\n+ExitPolicy accept *:${
        1024 + node
      }\nNumCPUs 2\n`,
      relay: `MaxMemInQueues ${512 + slot} MB\n/ExitPolicy\nExitPolicy reject *:${1 + node * RELAYS_OF_EACH + slot}\n`
    }))
)

/** What the torrcs of 10,000 relays cost the server: layers read, judged, merged and written out, node by node as it does. */
export const merge: Bench = {
  names: ["fleet.merge_10000_ms"],
  needsRoot: false,
  run: () =>
    Effect.sync(() => {
      const times = Array.from({ length: RUNS + 1 }, () => {
        const began = performance.now()
        for (const relays of fleet) {
          const read = layerReader(false)
          for (const texts of relays) resolveTorrc(texts, read)
        }
        return performance.now() - began
      })
      // In the first run nothing is compiled yet.
      return [plain("fleet.merge_10000_ms", median(times.slice(1)), "ms")]
    })
}
