import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { authorityNetwork, relayNetwork } from "../rig/Addresses.ts"
import type { ListedRelay } from "../rig/Consensus.ts"
import { found, instead, waitFor } from "../rig/Deadline.ts"
import { TemporaryDirectory } from "../rig/TemporaryDirectory.ts"
import { TorAuthorities } from "../rig/TorAuthorities.ts"
import { type ContainerMission, DEFAULT_TORRC, fault, type ImagedMachine, Mission, MissionFault } from "./Mission.ts"
import { relaysOnRecord } from "./RelayOnRecord.ts"

/** Several nodes, each with the agent's watch unit running, whose relays are in a Tor network with authorities of its own. */
export interface NodesInTor {
  readonly mission: ContainerMission
  readonly authorities: TorAuthorities
  /** In the order of their numbers, which begin with 1. */
  readonly machines: ReadonlyArray<ImagedMachine>
  /** Waits until the authorities call every relay on record Running, and gives these as they list them, by nickname. */
  readonly listed: Effect.Effect<ReadonlyMap<string, ListedRelay>, MissionFault>
}

export interface NodesInTorOptions {
  /** How many relays each node runs. */
  readonly relays: ReadonlyArray<number>
  /** What a person has told the server beforehand: arguments of `patela`. */
  readonly told?: ReadonlyArray<ReadonlyArray<string>>
}

const network = [
  `--gateway-v4=${relayNetwork.gatewayV4}`,
  `--gateway-v6=${relayNetwork.gatewayV6}`,
  `--dns=${relayNetwork.gatewayV4}`,
  "--test-network"
]

/** What the relays of a node wrote last, for who has to find out why they are not listed. */
const LAST_WORDS = ["journalctl", "--no-pager", "--output=short-precise", "--unit=tor@*", "--lines=40"] as const

const isRunning = ({ flags }: ListedRelay): boolean => flags.includes("Running") && flags.includes("Valid")

export const NodesInTor = {
  /** All nodes are enabled and have had their first pass when this returns; what the authorities think is left to see. */
  make: Effect.fnUntraced(function*({ relays, told = [] }: NodesInTorOptions) {
    const mission = yield* Mission.make({ agentAtBoot: false, told })
    const authorities = yield* TorAuthorities.make(mission.rig.far.namespace).pipe(fault)
    const folder = yield* TemporaryDirectory.make("torrc")
    yield* Effect.sync(() => writeFileSync(`${folder}/torrc`, DEFAULT_TORRC + authorities.torrc))
    yield* mission.patela("network", "set", ...network)
    yield* mission.patela("torrc", "import", `${folder}/torrc`, "default")

    const machines: ReadonlyArray<ImagedMachine> = [
      { ...mission.rig, agent: mission.agent },
      ...yield* Effect.forEach(relays.slice(1), (_, at) => mission.another(`cellar${at + 2}`))
    ]
    yield* Effect.forEach(machines, ({ boot }) => fault(boot), { concurrency: "unbounded" })
    // One after the other, so that their numbers are known.
    for (const [at, { agent }] of machines.entries()) {
      yield* agent("reconcile", "--wait", "0")
      yield* mission.patela("node", "set", String(at + 1), "relays", String(relays[at]))
      yield* mission.patela("enable", String(at + 1))
    }
    // A relay that starts before would have a consensus that does not do for circuits, and asks for another only 20 s later.
    const there = [...authorityNetwork.authorities, ...authorityNetwork.strangers].length
    yield* authorities.agreed(
      "the authorities to list each other and the strangers",
      (newest) => newest.relays.filter(isRunning).length === there ? found(undefined) : instead(JSON.stringify(newest))
    ).pipe(fault)
    // Type=notify: this returns when the first pass is done.
    yield* Effect.forEach(
      machines,
      ({ node }) => fault(node.execOk(["systemctl", "start", "patela-agent-watch.service"], { within: "2 minutes" })),
      { concurrency: "unbounded" }
    )

    const listed = waitFor(
      "the authorities to call every relay Running",
      Effect.gen(function*() {
        const record = yield* relaysOnRecord(mission)
        const newest = (yield* authorities.consensuses).at(-1)
        const running = new Map(newest?.relays.filter(isRunning).map((relay) => [relay.nickname, relay]))
        return record.every(({ name }) => running.has(name))
          ? found(running)
          : instead(`${newest?.validAfter}: ${[...running.keys()].join(" ")}`)
      }),
      { within: "4 minutes", every: "500 millis" }
    ).pipe(
      Effect.catchTag("DeadlinePassed", ({ message }) =>
        Effect.gen(function*() {
          const journals = yield* Effect.forEach(machines, ({ node }) => node.execOk(LAST_WORDS))
          return yield* new MissionFault({ message: [message, ...journals].join("\n") })
        })),
      fault
    )

    const nodes: NodesInTor = { mission, authorities, machines, listed }
    return nodes
  })
}
