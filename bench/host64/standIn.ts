import { Effect } from "effect"
import { fault, type Mission } from "../../test/src/mission/Mission.ts"

const FOLDER = "/run/systemd/system/tor@.service.d"

/**
 * Something in the place of tor that is as ready as tor says it is, and then sleeps: of the same type, stopped and
 * reloaded by the same signals. A shell that ignores a signal passes that on to what it becomes.
 */
const STAND_IN = `[Service]
PIDFile=
ExecStartPre=
ExecStart=
ExecStart=/bin/sh -c 'trap "" HUP; systemd-notify --ready; exec sleep infinity'
`

/**
 * Has every relay's unit run a stand-in for tor from now on: for figures that are about the agent, 64 tors that look for a
 * network that is not there would only be in the way.
 */
export const putStandIns = Effect.fnUntraced(function*({ node }: Mission) {
  yield* node.execOk(["mkdir", "--parents", FOLDER])
  yield* node.execOk(["tee", `${FOLDER}/stand-in.conf`], { stdin: STAND_IN })
  yield* node.execOk(["systemctl", "daemon-reload"])
  yield* node.execOk(["systemctl", "restart", "tor@*.service"], { within: "3 minutes" })
}, fault)
