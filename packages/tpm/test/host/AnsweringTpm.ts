import { Effect, FileSystem } from "effect"
import { connect, createServer, type Socket } from "node:net"
import { Tcti } from "../../src/transport/Tcti.ts"

/** TPM_CC (TPM 2.0 part 2, 6.5.2). */
export const CommandCode = { nvRead: 0x14e } as const

/**
 * A way to a swtpm on which one command never arrives: it is answered with a response code, as a TPM does that is busy, or
 * with nothing. Everything else goes through. swtpm itself has no such moods. The control socket is swtpm's own.
 */
export const answeringTpm = Effect.fn("answeringTpm")(
  function*(behind: Tcti, command: number, code: () => number | "nothing") {
    const files = yield* FileSystem.FileSystem
    const socket = `${yield* files.makeTempDirectoryScoped({ prefix: "answering-tpm-" })}/s`
    const real = behind.slice("swtpm:path=".length)
    yield* files.symlink(`${real}.ctrl`, `${socket}.ctrl`)
    const between = (client: Socket, tpm: Socket) => {
      tpm.on("data", (data) => client.write(data)).on("close", () => client.end())
      client.on("error", () => tpm.destroy()).on("close", () => tpm.end())
      client.on("data", (data) => {
        const answer = data.length >= 10 && data.readUInt32BE(6) === command ? code() : "the TPM's"
        if (answer === "the TPM's") tpm.write(data)
        if (typeof answer !== "number") return
        const response = Buffer.from("80010000000a00000000", "hex")
        response.writeUInt32BE(answer, 6)
        client.write(response)
      })
    }
    // Where a program waits, Node's connect says EAGAIN: swtpm's queue has room for two.
    const serve = (client: Socket): void => {
      const tpm = connect({ path: real })
      tpm.on("connect", () => between(client, tpm)).on("error", () => setTimeout(() => serve(client), 5))
    }
    const server = createServer(serve)
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(socket, () => resume(Effect.void))
      }),
      () => Effect.sync(() => server.close())
    )
    return Tcti.make(`swtpm:path=${socket}`)
  }
)
