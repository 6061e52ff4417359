import { Effect } from "effect"
import type { CpioEntry } from "../rig/Cpio.ts"
import { entriesFrom } from "../rig/entriesFrom.ts"
import type { VirtualFirmware } from "../rig/VirtualFirmware.ts"
import { VirtualRig } from "../rig/VirtualRig.ts"
import { fault, type Mission, missionImage, missionIn } from "./Mission.ts"

export interface VirtualMissionOptions {
  /** What the image has besides what an image for Patela has. */
  readonly entries: ReadonlyArray<CpioEntry>
  /** What a person has told the server beforehand: arguments of `patela`. */
  readonly told: ReadonlyArray<ReadonlyArray<string>>
  /** SeaBIOS unless told. */
  readonly firmware?: VirtualFirmware
}

const wanted = (unit: string): CpioEntry => ({
  type: "link",
  path: `etc/systemd/system/multi-user.target.wants/${unit}`,
  to: `../${unit}`
})

export const VirtualMission = {
  /**
   * The server runs when this returns; the node, a virtual machine with a TPM device, is off. Both of the agent's units are
   * enabled in its image, and nothing in it says which TPM to use.
   */
  make: Effect.fnUntraced(function*({ entries, firmware, told }: VirtualMissionOptions) {
    const image = yield* missionImage({})
    const rig = yield* VirtualRig.make({
      hostname: "cantina",
      bootedWhen: "basic",
      ...(firmware === undefined ? {} : { firmware }),
      entries: [
        ...image.files.flatMap(({ source, target }) => entriesFrom(source, target)),
        wanted("patela-agent.service"),
        wanted("patela-agent-watch.service"),
        ...entries
      ]
    })
    const mission: Mission<VirtualRig> = yield* missionIn(rig, image, {
      told,
      patience: { within: "8 minutes", every: "1 second" }
    })
    return mission
  }, fault)
}
