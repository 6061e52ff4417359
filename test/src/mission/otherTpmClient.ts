import { emptyPassword, encodeCommand } from "@patela/tpm/command/Command"
import { createPrimary } from "@patela/tpm/command/primaryKey"
import { attestationKeyPublic } from "@patela/tpm/identity/publicTemplate"
import { Effect } from "effect"
import type { Machine } from "../rig/Machine.ts"

/** As many keys as a TPM has places for: one client of the bare device would leave none for another. */
const KEYS = 3

/** TPM2_ReadPublic without its handle (TPM 2.0 part 3, 12.4). */
const READ_PUBLIC = "80010000000e00000173"

/** Loads keys by one open device and keeps them there; told to end, it says what the TPM answers of each. */
const CLIENT = `const fs = require("node:fs")
const [make, read, count] = process.argv.slice(1)
const device = fs.openSync("/dev/tpmrm0", "r+")
const ask = (hex) => {
  fs.writeSync(device, Buffer.from(hex, "hex"))
  const answer = Buffer.alloc(4096)
  return answer.subarray(0, fs.readSync(device, answer))
}
const code = (answer) => answer.readUInt32BE(6).toString(16)
const keys = Array.from({ length: Number(count) }, () => ask(make))
const handles = keys.map((answer) => answer.subarray(10, 14).toString("hex"))
console.log("loaded " + keys.map(code).join(" "))
process.on("SIGTERM", () => {
  console.log("still there " + handles.map((handle) => code(ask(read + handle))).join(" "))
  process.exit(0)
})
setInterval(() => undefined, 1000)`

const UNIT = "other-tpm-client.service"

/** Another program of the node that fills the TPM by the kernel's resource manager, until `end`, which gives what it wrote. */
export const otherTpmClient = Effect.fnUntraced(function*(node: Machine) {
  const make = Buffer.from(encodeCommand(createPrimary(attestationKeyPublic), [emptyPassword])).toString("hex")
  const journal = node.execOk(["journalctl", "--no-pager", "--output=cat", `--unit=${UNIT}`, "_COMM=MainThread"])
  yield* node.execOk([
    "systemd-run",
    `--unit=${UNIT}`,
    "/opt/patela/node",
    "--eval",
    CLIENT,
    make,
    READ_PUBLIC,
    String(KEYS)
  ])
  return { journal, end: Effect.andThen(node.execOk(["systemctl", "stop", UNIT]), journal) }
})
