import { Effect } from "effect"
import { type FileHandle, open } from "node:fs/promises"
import { isWhole, RESPONSE_BYTES } from "../command/response.ts"
import { CannotConnect, type Connect, type Connection, ConnectionLost, systemCode } from "./Connection.ts"

/** The kernel takes a command in one write and gives its response in one read (drivers/char/tpm/tpm-dev-common.c). */
const throughDevice = async (device: FileHandle, command: Uint8Array): Promise<Uint8Array> => {
  await device.write(command, 0, command.length, null)
  let response = Buffer.alloc(0)
  while (!isWhole(response)) {
    const { buffer, bytesRead } = await device.read(Buffer.alloc(RESPONSE_BYTES), 0, RESPONSE_BYTES, null)
    if (bytesRead === 0) throw new Error("the device gave no more")
    response = Buffer.concat([response, buffer.subarray(0, bytesRead)])
  }
  return response
}

/**
 * A character device. Node cannot take back a read that the kernel holds, only stop waiting for it: it occupies one of the
 * few threads that serve all files. So there is one at most, and nobody gets a connection before it is over.
 */
export const deviceConnection = (path: string): Connect => {
  let abandoned: Promise<void> = Promise.resolve()

  const connectionOf = (device: FileHandle): Connection => {
    let isOpen = true
    return {
      isOpen: () => isOpen,
      exchange: (command) =>
        Effect.callback((resume) => {
          if (!isOpen) return resume(Effect.fail(new ConnectionLost()))
          const ended = throughDevice(device, command).then(
            (response) => resume(Effect.succeed(response)),
            () => {
              isOpen = false
              resume(Effect.fail(new ConnectionLost()))
            }
          )
          return Effect.sync(() => {
            isOpen = false
            abandoned = ended
          })
        })
    }
  }

  const opened = Effect.tryPromise({
    try: () => open(path, "r+"),
    catch: (cause) => new CannotConnect({ code: systemCode(cause) })
  })
  // A descriptor with a read under way is closed when that ends, which nobody waits for.
  const close = (device: FileHandle) => Effect.sync(() => void device.close().catch(() => undefined))

  return Effect.promise(() => abandoned).pipe(
    Effect.andThen(Effect.acquireRelease(opened, close)),
    Effect.map(connectionOf)
  )
}
