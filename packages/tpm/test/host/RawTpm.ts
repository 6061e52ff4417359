import { Effect, Schema } from "effect"
import { connect } from "node:net"
import { ByteWriter } from "../../src/structures/ByteWriter.ts"
import type { Tcti } from "../../src/transport/Tcti.ts"

/** The TPM answered with a response code (TPM 2.0 part 2, 6.6), or not at all. */
export class RawTpmFailed extends Schema.TaggedError<RawTpmFailed>()("RawTpmFailed", {
  command: Schema.Int,
  code: Schema.Int,
  message: Schema.String
}) {}

const NO_SESSIONS = 0x8001
const SESSIONS = 0x8002
const PASSWORD = 0x4000_0009

/** TPM_CC (TPM 2.0 part 2, 6.5.2). */
export const Command = {
  evictControl: 0x120,
  createPrimary: 0x131,
  activateCredential: 0x147,
  import: 0x156,
  load: 0x157,
  quote: 0x158,
  flushContext: 0x165,
  readPublic: 0x173,
  startup: 0x144,
  pcrRead: 0x17e,
  pcrExtend: 0x182
} as const

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** Writes to a socket of swtpm and gives what comes until it says that it is all, by a size at byte 2 or a fixed one. */
const exchange = (path: string, sent: Uint8Array, size: (received: Buffer) => number) =>
  Effect.callback<Uint8Array, RawTpmFailed>((resume) => {
    const socket = connect({ path })
    let received = Buffer.alloc(0)
    socket.on("connect", () => socket.write(sent))
    socket.on("error", ({ message }) => resume(Effect.fail(new RawTpmFailed({ command: 0, code: 0, message }))))
    socket.on("data", (data) => {
      received = Buffer.concat([received, data])
      if (received.length < size(received)) return
      // Who comes next is served only when this connection is gone.
      socket.end(() => socket.destroy())
      socket.on("close", () => resume(Effect.succeed(new Uint8Array(received))))
    })
  })

/** A swtpm spoken to in its own commands, without any of the tools or of Patela's transports. Every password is empty. */
export const rawTpm = (tcti: Tcti) => {
  const path = tcti.slice("swtpm:path=".length)

  /** Runs a command with one empty password for each of the first `sessions` handles; gives handle and parameters. */
  const run = Effect.fnUntraced(function*(
    command: number,
    input: {
      readonly handles?: ReadonlyArray<number>
      readonly sessions?: number
      readonly parameters?: Uint8Array
      readonly answersHandle?: boolean
    }
  ) {
    const { handles = [], sessions = 0, parameters = new Uint8Array(), answersHandle = false } = input
    const writer = new ByteWriter().u32(command)
    for (const handle of handles) writer.u32(handle)
    if (sessions > 0) writer.u32(sessions * 9)
    for (let session = 0; session < sessions; session += 1) writer.u32(PASSWORD).u16(0).u8(0).u16(0)
    const rest = writer.bytes(parameters).done()
    const sent = new ByteWriter().u16(sessions > 0 ? SESSIONS : NO_SESSIONS).u32(rest.length + 6).bytes(rest).done()
    const answer = Buffer.from(
      yield* exchange(path, sent, (received) => received.length < 10 ? 10 : received.readUInt32BE(2))
    )
    const code = answer.readUInt32BE(6)
    if (code !== 0) {
      const message = `command 0x${command.toString(16)}: response code 0x${code.toString(16)}`
      return yield* new RawTpmFailed({ command, code, message })
    }
    const at = answersHandle ? 14 : 10
    const handle = answersHandle ? answer.readUInt32BE(10) : 0
    const end = sessions > 0 ? at + 4 + answer.readUInt32BE(at) : answer.length
    return { handle, parameters: new Uint8Array(answer.subarray(sessions > 0 ? at + 4 : at, end)) }
  })

  const control = Effect.fnUntraced(function*(command: number, argument: Uint8Array) {
    const sent = concat(new ByteWriter().u32(command).done(), argument)
    const answer = yield* exchange(`${path}.ctrl`, sent, () => 4)
    const code = Buffer.from(answer).readUInt32BE()
    if (code !== 0) {
      return yield* new RawTpmFailed({ command, code, message: `control ${command}: 0x${code.toString(16)}` })
    }
  })

  const sized = (bytes: Uint8Array): Uint8Array => new ByteWriter().sized(bytes).done()

  return {
    run,
    /** A primary key of a hierarchy from a TPM2B_PUBLIC template; gives its handle. */
    createPrimary: (hierarchy: number, template: Uint8Array) =>
      run(Command.createPrimary, {
        handles: [hierarchy],
        sessions: 1,
        parameters: concat(sized(new Uint8Array(4)), template, new Uint8Array(2), new Uint8Array(4)),
        answersHandle: true
      }).pipe(Effect.map(({ handle }) => handle)),
    /** Loads a key that was made elsewhere, its sensitive area in clear (TPM 2.0 part 3, 13.3), under a storage key. */
    importKey: Effect.fnUntraced(function*(parent: number, area: Uint8Array, sensitive: Uint8Array) {
      const under = { handles: [parent], sessions: 1 }
      const duplicate = sized(sized(sensitive))
      const imported = yield* run(Command.import, {
        ...under,
        parameters: concat(new Uint8Array(2), area, duplicate, new Uint8Array(2), Uint8Array.from([0, 0x10]))
      })
      const parameters = concat(imported.parameters, area)
      return (yield* run(Command.load, { ...under, parameters, answersHandle: true })).handle
    }),
    flush: (handle: number) => run(Command.flushContext, { parameters: new ByteWriter().u32(handle).done() }),
    /** swtpm's control channel (swtpm, tpm_ioctl.h): a power cycle without TPM2_Startup. */
    powerCycle: control(2, new Uint8Array(4)),
    setLocality: (locality: number) => control(5, Uint8Array.from([locality])),
    /** What an H-CRTM does before TPM2_Startup (TPM 2.0 part 1, 34.3): _TPM_Hash_Start, _TPM_Hash_Data, _TPM_Hash_End. */
    hashStart: control(6, new Uint8Array()),
    hashData: (data: Uint8Array) => control(7, new ByteWriter().u32(data.length).bytes(data).done()),
    hashEnd: control(8, new Uint8Array())
  }
}
