import { Effect, FileSystem } from "effect"
import { spawn } from "node:child_process"
import { createConnection } from "node:net"
import { Tcti } from "../../src/transport/Tcti.ts"

/**
 * A character device in front of a swtpm: a terminal without any of a terminal's habits (script(1), stty(1)), whose other
 * end is the swtpm's socket. The nearest thing to /dev/tpmrm0 on a machine without a TPM. One that is `exclusive` gives
 * EBUSY to everybody but the administrator (TIOCEXCL, ioctl_tty(2)), as /dev/tpm0 does while it is open.
 */
export const characterDevice = Effect.fn("characterDevice")(function*(tcti: Tcti, exclusive = false) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "tpm-device-" })
  const lock = exclusive ? "perl -e 'ioctl(STDIN, 0x540C, 0) or die'; chmod 666 $(tty);" : ""
  const name = `tty > ${directory}/new; mv ${directory}/new ${directory}/name`
  const command = `stty raw -echo; ${lock} ${name}; exec sleep 600`
  const terminal = yield* Effect.acquireRelease(
    Effect.sync(() => spawn("script", ["-q", "-f", "-c", command, "/dev/null"], { stdio: ["pipe", "pipe", "ignore"] })),
    (child) => Effect.sync(() => child.kill("SIGTERM"))
  )
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => createConnection({ path: tcti.slice("swtpm:path=".length) })),
    (connection) => Effect.sync(() => connection.destroy())
  )
  terminal.stdout.pipe(socket)
  socket.pipe(terminal.stdin)
  while (!(yield* files.exists(`${directory}/name`))) yield* Effect.sleep("10 millis")
  return Tcti.make(`device:${(yield* files.readFileString(`${directory}/name`)).trim()}`)
})
