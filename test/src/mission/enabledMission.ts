import { Effect } from "effect"
import { Mission, MissionFault, type MissionOptions } from "./Mission.ts"

/** A mission whose node was enabled by a person and runs this many relays; its agent is run by the test. */
export const enabledMission = Effect.fnUntraced(
  function*(relays: number, options: Omit<MissionOptions, "agentAtBoot">) {
    const mission = yield* Mission.make({ ...options, agentAtBoot: false })
    yield* mission.rig.boot.pipe(Effect.mapError(({ message }) => new MissionFault({ message })))
    // The first time the server only takes note of it.
    yield* mission.agent("reconcile", "--wait", "0")
    yield* mission.patela("node", "set", "1", "relays", String(relays))
    yield* mission.patela("enable", "1")
    const { exitCode, stderr } = yield* mission.agent("reconcile", "--wait", "0")
    if (exitCode !== 0) return yield* new MissionFault({ message: `the first run ended with ${exitCode}: ${stderr}` })
    return mission
  }
)
