import { Duration, Effect, Option } from "effect"
import { open } from "node:fs/promises"
import { connect } from "node:net"
import { plainCode, ResponseCode } from "./classifyFailure.ts"
import { isWhole, nvReadCommand, readNvReadAnswer, RESPONSE_BYTES } from "./nvReadCommand.ts"
import type { Tcti } from "./Tcti.ts"

/** Every TPM of a PC reads so many bytes at once: TPM_PT_NV_BUFFER_MAX is 512 or more (PC Client Platform Profile). */
export const DIRECT_BYTES = 512
/** A TPM that has not answered by then is left to tpm2-tools, which wait longer and say what is wrong. */
const LIMIT = Duration.seconds(2)

/** Sends one command and gives the response. */
type Exchange = (command: Uint8Array) => Promise<Uint8Array>

/** The kernel takes a command in one write and gives its response in one read (drivers/char/tpm/tpm-dev-common.c). */
const byDevice = (path: string): Exchange => async (command) => {
  const device = await open(path, "r+")
  try {
    await device.write(command, 0, command.length, null)
    let response = Buffer.alloc(0)
    while (!isWhole(response)) {
      const { buffer, bytesRead } = await device.read(Buffer.alloc(RESPONSE_BYTES), 0, RESPONSE_BYTES, null)
      if (bytesRead === 0) throw new Error("the device gave no more")
      response = Buffer.concat([response, buffer.subarray(0, bytesRead)])
    }
    return response
  } finally {
    await device.close()
  }
}

/** swtpm takes commands on its data socket as they are. */
const bySocket = (path: string): Exchange => (command) =>
  new Promise((resolve, reject) => {
    let response = Buffer.alloc(0)
    const socket = connect({ path, timeout: Duration.toMillis(LIMIT) })
    socket.on("connect", () => socket.write(command))
    socket.on("data", (data) => {
      response = Buffer.concat([response, data])
      if (!isWhole(response)) return
      socket.destroy()
      resolve(response)
    })
    socket.on("timeout", () => socket.destroy(new Error("swtpm did not answer")))
    socket.on("error", reject)
    socket.on("close", () => reject(new Error("swtpm closed the connection")))
  })

const exchangeFor = (tcti: Tcti): Exchange | undefined => {
  const device = /^device:(\/.+)$/.exec(tcti)?.[1]
  if (device !== undefined) return byDevice(device)
  const socket = /^swtpm:path=([^,]+)$/.exec(tcti)?.[1]
  return socket === undefined ? undefined : bySocket(socket)
}

/** What a direct read came to. Nothing at all is a case for tpm2-tools. */
export type DirectRead = Uint8Array | "absent" | "unwritten"

/**
 * Reads a few bytes of an NV index without a process: what the agent asks at every pass, for a hundredth of the price. A
 * TPM that cannot be reached this way, does not answer, or says anything but these three is Option.none: then tpm2-tools
 * are asked, which know every kind of address, and whose refusals are understood in one place.
 */
export const directNvRead = (tcti: Tcti) => {
  const exchange = exchangeFor(tcti)
  return (index: number, offset: number, size: number): Effect.Effect<Option.Option<DirectRead>> => {
    if (exchange === undefined || size > DIRECT_BYTES) return Effect.succeed(Option.none())
    return Effect.gen(function*() {
      // The promise closes what it opened: a read of a device that hangs can be waited for no longer, not ended.
      const response = yield* Effect.tryPromise(() => exchange(nvReadCommand(index, offset, size)))
      const found = yield* Effect.fromResult(readNvReadAnswer(response, size))
      if (found.answer === "data") return Option.some(found.data)
      const plain = plainCode(found.code)
      if (plain === ResponseCode.handle) return Option.some("absent" as const)
      return plain === ResponseCode.nvUninitialized ? Option.some("unwritten" as const) : Option.none()
    }).pipe(
      Effect.timeoutOrElse({ duration: LIMIT, orElse: () => Effect.succeed(Option.none()) }),
      Effect.orElseSucceed(() => Option.none())
    )
  }
}
