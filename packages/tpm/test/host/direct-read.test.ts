import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option, Redacted } from "effect"
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { createConnection } from "node:net"
import { toHex } from "../../src/structures/Hex.ts"
import { directNvRead } from "../../src/transport/directNvRead.ts"
import { Tcti } from "../../src/transport/Tcti.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { Tpm2Tools } from "../../src/transport/Tpm2Tools.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"

const INDEX = 0x0180_0999

/**
 * A character device in front of a swtpm: a terminal without any of a terminal's habits (script(1), stty(1)), whose other
 * end is the swtpm's socket. The nearest thing to /dev/tpmrm0 on a machine without a TPM.
 */
const characterDevice = Effect.fn("characterDevice")(function*(tcti: Tcti) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "tpm-device-" })
  const command = `stty raw -echo; tty > ${directory}/new; mv ${directory}/new ${directory}/name; exec sleep 600`
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

describe("a short read of NV memory without tpm2-tools", () => {
  it.live.each(["socket", "device"] as const)(
    "by a %s reads what tpm2-tools wrote, and tells absent from unwritten",
    (by) =>
      Effect.gen(function*() {
        const { tcti } = yield* swtpm(yield* newTpmState)
        const data = new Uint8Array(randomBytes(600))
        yield* Effect.gen(function*() {
          const tpm = yield* Tpm
          yield* tpm.nvDefine(INDEX, 600)
          yield* tpm.nvWrite(INDEX, 0, Redacted.make(data))
          yield* tpm.nvDefine(INDEX + 1, 600)
        }).pipe(Effect.provide(Tpm2Tools.layer({ tcti })))
        const read = directNvRead(by === "socket" ? tcti : yield* characterDevice(tcti))
        for (const [offset, size] of [[0, 52], [88, 512], [599, 1]] as const) {
          const found = Option.getOrThrow(yield* read(INDEX, offset, size))
          if (typeof found === "string") return assert.fail(found)
          assert.strictEqual(toHex(found), toHex(data.subarray(offset, offset + size)))
        }
        assert.deepStrictEqual(yield* read(INDEX + 1, 0, 52), Option.some("unwritten"))
        assert.deepStrictEqual(yield* read(INDEX + 2, 0, 52), Option.some("absent"))
        // What it does not understand or may not do at once is left to tpm2-tools.
        assert.deepStrictEqual(yield* read(INDEX, 590, 52), Option.none())
        assert.deepStrictEqual(yield* read(INDEX, 0, 513), Option.none())
        assert.isTrue(Option.isSome(yield* read(INDEX, 0, 52)))
      }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("is not done where nothing answers, and then tpm2-tools say why", () =>
    Effect.gen(function*() {
      for (const tcti of ["device:/nonexistent/tpm", "swtpm:path=/nonexistent/socket"].map((it) => Tcti.make(it))) {
        assert.deepStrictEqual(yield* directNvRead(tcti)(INDEX, 0, 52), Option.none())
        const error = yield* Effect.flatMap(Tpm, (tpm) => Effect.flip(tpm.nvRead(INDEX, 0, 52))).pipe(
          Effect.provide(Tpm2Tools.layer({ tcti }))
        )
        assert.strictEqual(error._tag, "TpmAbsent")
      }
      for (const tcti of ["tabrmd:bus_type=system", "mssim:host=localhost"].map((it) => Tcti.make(it))) {
        assert.deepStrictEqual(yield* directNvRead(tcti)(INDEX, 0, 52), Option.none())
      }
      // A device that answers everything with its end, and one that is a file.
      assert.deepStrictEqual(yield* directNvRead(Tcti.make("device:/dev/null"))(INDEX, 0, 52), Option.none())
    }).pipe(Effect.provide(NodeServices.layer)))
})
