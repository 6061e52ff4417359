import { Effect } from "effect"
import type { Argv } from "../rig/Command.ts"
import type { MachineRoom } from "../rig/MachineRoom.ts"
import type { Mission } from "./Mission.ts"

/** Everything on the node that Patela could have written, with the times of files: equal means that nothing was. */
export const footprint = Effect.fnUntraced(function*({ node }: Mission<MachineRoom>) {
  const looks: ReadonlyArray<Argv> = [
    ["find", "/etc", "/run/patela", "/run/systemd/system", "-printf", "%p %m %u %g %s %T@ %i\n"],
    ["find", "/var/lib/tor-instances", "-maxdepth", "0", "-printf", "%p %m %u %g %T@ %i\n"],
    // Without its times: tor puts files of its own into its directory, some of them seconds after it says that it is ready.
    ["find", "/var/lib/tor-instances", "-mindepth", "1", "-maxdepth", "1", "-printf", "%p %m %u %g %i\n"],
    ["find", "/var/lib/tor-instances", "-name", "*secret_key", "-printf", "%p %m %u %g %s %T@ %i\n"],
    ["nft", "--handle", "list", "ruleset"],
    ["ip", "address", "show"],
    ["ip", "rule"],
    ["ip", "route", "show", "table", "all"],
    ["systemctl", "show", "--property=InvocationID,MainPID,ExecMainStartTimestamp", "tor@*"]
  ]
  return yield* Effect.forEach(looks, (argv) => node.execOk(argv))
})
