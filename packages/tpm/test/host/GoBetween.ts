import { Effect, FileSystem } from "effect"
import { connect, createServer, type Socket } from "node:net"
import { Tcti } from "../../src/transport/Tcti.ts"

/** What becomes of a command: the TPM gets it, nobody answers, the connection is cut, or this is the answer. */
export type Fate = "the TPM's" | "nothing" | "cut" | Uint8Array

/** Sees every command and every response, whole, and may change what becomes of them. */
export interface Hooks {
  readonly command?: (code: number, bytes: Buffer) => Fate
  readonly response?: (code: number, bytes: Buffer) => Uint8Array
}

/** The code of a command (TPM 2.0 part 1, 18.2). */
const codeOf = (bytes: Buffer): number => bytes.length >= 10 ? bytes.readUInt32BE(6) : 0

/** A way to a swtpm that looks at what goes through it. The control socket is swtpm's own. */
export const goBetween = Effect.fn("goBetween")(function*(behind: Tcti, hooks: Hooks) {
  const files = yield* FileSystem.FileSystem
  const socket = `${yield* files.makeTempDirectoryScoped({ prefix: "go-between-" })}/s`
  const real = behind.slice("swtpm:path=".length)
  yield* files.symlink(`${real}.ctrl`, `${socket}.ctrl`)
  const between = (client: Socket, tpm: Socket) => {
    let asked = 0
    let response = Buffer.alloc(0)
    tpm.on("data", (data) => {
      response = Buffer.concat([response, data])
      if (response.length < 10 || response.length < response.readUInt32BE(2)) return
      client.write(hooks.response?.(asked, response) ?? response)
      response = Buffer.alloc(0)
    }).on("close", () => client.end()).on("error", () => client.destroy())
    client.on("error", () => tpm.destroy()).on("close", () => tpm.end())
    client.on("data", (data) => {
      asked = codeOf(data)
      const fate = hooks.command?.(asked, data) ?? "the TPM's"
      if (fate === "the TPM's") tpm.write(data)
      else if (fate === "cut") client.destroy()
      else if (fate !== "nothing") client.write(fate)
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
})

/** A response that refuses with this code. */
export const refusal = (code: number): Uint8Array => {
  const response = Buffer.from("80010000000a00000000", "hex")
  response.writeUInt32BE(code, 6)
  return response
}
