import { Effect } from "effect"
import { mkdirSync, rmSync } from "node:fs"
import { isListening } from "../../../packages/tpm/test/host/isListening.ts"
import { BackgroundProcess } from "./BackgroundProcess.ts"
import { runOk } from "./Command.ts"
import { found, instead, waitFor } from "./Deadline.ts"
import { TemporaryDirectory } from "./TemporaryDirectory.ts"

export const TpmChip = {
  /**
   * A software TPM for a virtual machine, whose firmware starts it up. Its state outlives its process, which runs for as long as
   * the scope of `powerOn`. A firmware hashes once for each bank that is active: all that there are, unless told.
   */
  make: Effect.fnUntraced(function*(options: { readonly onlyBank?: "sha256" } = {}) {
    const folder = yield* TemporaryDirectory.make("chip")
    const [state, socket] = [`${folder}/state`, `${folder}/control.sock`]
    yield* Effect.sync(() => mkdirSync(state, { mode: 0o700 }))
    if (options.onlyBank !== undefined) {
      yield* runOk(["swtpm_setup", "--tpm2", "--tpmstate", state, "--pcr-banks", options.onlyBank])
    }
    const powerOn = Effect.gen(function*() {
      yield* Effect.sync(() => rmSync(socket, { force: true }))
      const flags = ["--tpm2", "--tpmstate", `dir=${state}`, "--ctrl", `type=unixio,path=${socket}`]
      const process = yield* BackgroundProcess.start(["swtpm", "socket", ...flags])
      yield* waitFor(
        "the TPM's control socket",
        Effect.map(process.lines, (lines) => isListening(socket) ? found(undefined) : instead(lines.join("\n"))),
        { every: "5 millis" }
      )
    })
    return {
      /** What speaks for it to QEMU. */
      devices: [
        "-chardev",
        `socket,id=chip,path=${socket}`,
        "-tpmdev",
        "emulator,id=tpm,chardev=chip",
        "-device",
        "tpm-crb,tpmdev=tpm"
      ] as ReadonlyArray<string>,
      powerOn
    }
  })
}
