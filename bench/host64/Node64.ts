import { Clock, Effect } from "effect"
import { type Mission, Mission as Missions, MissionFault } from "../../test/src/mission/Mission.ts"
import { type RelayOnRecord, relaysOnRecord } from "../../test/src/mission/RelayOnRecord.ts"
import { waitingNode } from "../../test/src/mission/waitingNode.ts"
import { found, instead, waitFor } from "../../test/src/rig/Deadline.ts"
import { repositoryRoot } from "../../test/src/rig/Repository.ts"

export const RELAYS = 64

/** Where the node sees this repository: where it is here, read-only, so that links hold. */
export const insideFolder = `${repositoryRoot}/bench/host64/inside`

/** A node that runs as many relays as there may be on one, and what it took to get there. */
export interface Node64 {
  readonly mission: Mission
  readonly relays: ReadonlyArray<RelayOnRecord>
  /** From the start of the container to every unit active, with 64 new identities; seconds. */
  readonly firstSeconds: number
}

/**
 * Boots a node as an image does, the agent's unit at its boot, with real tor in 64 units. It is known and enabled
 * beforehand, as on any boot but the first: what a person takes is no figure.
 */
export const makeNode64 = Effect.gen(function*() {
  const mission = yield* Missions.make({
    agentAtBoot: true,
    root: "bench",
    binds: [{ source: repositoryRoot, target: repositoryRoot }]
  })
  yield* mission.rig.boot
  yield* waitingNode(mission)
  yield* mission.rig.powerOff
  yield* mission.patela("node", "set", "1", "relays", String(RELAYS))
  yield* mission.patela("enable", "1")
  const firstSeconds = yield* bootToAllActive(mission)
  const relays = yield* relaysOnRecord(mission)
  return { mission, relays, firstSeconds } satisfies Node64
})

/** Gives the node power and waits for its boot unit and its relays; seconds. */
export const bootToAllActive = Effect.fnUntraced(function*(mission: Mission) {
  const began = yield* Clock.currentTimeMillis
  yield* mission.rig.boot
  yield* waitFor(
    "the agent's unit to finish",
    Effect.gen(function*() {
      const text = yield* mission.node.execOk(["systemctl", "show", "--property=ActiveState", "patela-agent.service"])
      return text.trim() === "ActiveState=activating" || text.trim() === "ActiveState=inactive"
        ? instead(text)
        : found(undefined)
    }),
    { within: "10 minutes", every: "100 millis" }
  )
  const took = (yield* Clock.currentTimeMillis) - began
  const active = yield* activeRelays(mission)
  if (active !== RELAYS) {
    return yield* new MissionFault({
      message: `${active} of ${RELAYS} relays are active: ${(yield* mission.agentJournal).slice(-2000)}`
    })
  }
  return took / 1000
})

const activeRelays = Effect.fnUntraced(function*(mission: Mission) {
  const text = yield* mission.node.execOk([
    "systemctl",
    "list-units",
    "--plain",
    "--no-legend",
    "--state=active",
    "tor@*"
  ])
  return text.split("\n").filter((line) => line !== "").length
})
