import { Effect, FileSystem } from "effect"
import { connect, createServer, type Socket } from "node:net"
import { Tcti } from "../../src/transport/Tcti.ts"

/** TPM_CC (TPM 2.0 part 2, 6.5.2). */
export const CommandCode = { nvRead: 0x14e } as const

/**
 * A way to a swtpm on which one command never arrives: it is answered with a response code, as a TPM does that is busy.
 * Everything else goes through. swtpm itself has no such moods.
 */
export const answeringTpm = Effect.fn("answeringTpm")(function*(behind: Tcti, command: number, code: () => number) {
  const files = yield* FileSystem.FileSystem
  const socket = `${yield* files.makeTempDirectoryScoped({ prefix: "answering-tpm-" })}/s`
  const real = behind.slice("swtpm:path=".length)
  const relay = (client: Socket, path: string, answer: (data: Buffer) => Buffer | undefined) => {
    const tpm = connect({ path })
    tpm.on("data", (data) => client.write(data)).on("error", () => client.destroy()).on("close", () => client.destroy())
    client.on("data", (data) => {
      const response = answer(data)
      if (response === undefined) tpm.write(data)
      else client.write(response)
    })
    client.on("error", () => tpm.destroy()).on("close", () => tpm.destroy())
  }
  const refuse = (data: Buffer): Buffer | undefined => {
    if (data.length < 10 || data.readUInt32BE(6) !== command) return undefined
    const response = Buffer.from("80010000000a00000000", "hex")
    response.writeUInt32BE(code(), 6)
    return response
  }
  for (const [path, answer] of [["", refuse], [".ctrl", () => undefined]] as const) {
    const server = createServer((client) => relay(client, real + path, answer))
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(socket + path, () => resume(Effect.void))
      }),
      () => Effect.sync(() => server.close())
    )
  }
  return Tcti.make(`swtpm:path=${socket}`)
})
