import { Effect } from "effect"
import { mkdirSync, rmSync } from "node:fs"
import { isListening } from "../../../packages/tpm/test/host/isListening.ts"
import { BackgroundProcess } from "./BackgroundProcess.ts"
import type { CommandNotStarted } from "./Command.ts"
import { type DeadlinePassed, found, instead, waitFor } from "./Deadline.ts"
import { Power } from "./Power.ts"
import { TemporaryDirectory } from "./TemporaryDirectory.ts"

/** A software TPM whose state outlives its process, as a real one's outlives the power. */
export interface Swtpm {
  /** The folder of its sockets: put it into a container as `nodeSocketFolder`. */
  readonly socketFolder: string
  /** TPM2TOOLS_TCTI on this machine. */
  readonly tcti: string
  /** Cuts its power: transient objects, sessions and loaded keys are lost, NV and seeds stay. */
  readonly powerOff: Effect.Effect<void>
  /** Gives it power: TPM2_Startup(CLEAR), as a boot does (TPM 2.0 part 1, 12.2). Nothing happens when it has power. */
  readonly powerOn: Effect.Effect<void, CommandNotStarted | DeadlinePassed>
}

/** Where a node finds the sockets, and its TPM2TOOLS_TCTI. */
export const nodeSocketFolder = "/run/swtpm"
export const nodeTcti = `swtpm:path=${nodeSocketFolder}/tpm.sock`

export const Swtpm = {
  make: Effect.fnUntraced(function*() {
    const folder = yield* TemporaryDirectory.make("tpm")
    const state = `${folder}/state`
    const socketFolder = `${folder}/sockets`
    const socket = `${socketFolder}/tpm.sock`
    yield* Effect.sync(() => {
      for (const path of [state, socketFolder]) mkdirSync(path, { mode: 0o700 })
    })
    const power = yield* Power.make(Effect.fnUntraced(function*(isUp: (up: true) => Effect.Effect<void>) {
      yield* Effect.sync(() => {
        for (const path of [socket, `${socket}.ctrl`]) rmSync(path, { force: true })
      })
      const process = yield* BackgroundProcess.start([
        "swtpm",
        "socket",
        "--tpm2",
        "--tpmstate",
        `dir=${state}`,
        "--server",
        `type=unixio,path=${socket}`,
        "--ctrl",
        `type=unixio,path=${socket}.ctrl`,
        "--flags",
        "not-need-init,startup-clear"
      ])
      yield* waitFor(
        "the TPM's sockets",
        Effect.map(process.lines, (lines) =>
          isListening(socket) && isListening(`${socket}.ctrl`)
            ? found(undefined)
            : instead(lines.join("\n"))),
        { every: "5 millis" }
      )
      yield* isUp(true)
    }))

    yield* power.on
    const tpm: Swtpm = {
      socketFolder,
      tcti: `swtpm:path=${socket}`,
      powerOff: power.off,
      powerOn: Effect.asVoid(power.on)
    }
    return tpm
  })
}
