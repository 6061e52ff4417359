import { Effect, Option, Redacted } from "effect"
import { type Command, fulfilledPolicy } from "../command/Command.ts"
import { type Entity, owner } from "../command/Entity.ts"
import { getProperty, Property } from "../command/getCapability.ts"
import { type NvArea, nvReadCommand, nvReadPublic, nvWriteCommand } from "../command/nv.ts"
import type { ImagePolicy } from "../policy/ImagePolicy.ts"
import type { ProtectedSession } from "../session/ProtectedSession.ts"
import type { ProtectedAuthorisation } from "../session/sealCommand.ts"
import { noImagePolicy } from "./approvedOn.ts"
import type { Line } from "./Exchange.ts"
import { imageSessions } from "./imageSessions.ts"
import { isBound, isWritten } from "./nvAttributes.ts"
import { refusalOf } from "./refusalOf.ts"
import { ResponseCode } from "./ResponseCode.ts"
import type { MakingRoom } from "./roomInTpm.ts"
import type { TpmError } from "./TpmError.ts"

/** Every TPM of a PC takes so many bytes of NV memory at once: NV_BUFFER_MAX is no less (PC Client Platform Profile). */
const SMALL = 512

/** Pieces of at most `most` bytes. */
const pieces = (size: number, most: number): ReadonlyArray<{ readonly at: number; readonly length: number }> =>
  Array.from({ length: Math.ceil(size / most) }, (_, piece) => ({
    at: piece * most,
    length: Math.min(most, size - piece * most)
  }))

/** The most bytes of one read or write, asked for only where there are more than every TPM takes. */
const bufferMax = (line: Line, size: number) =>
  size <= SMALL ? Effect.succeed(SMALL) : line.send(getProperty(Property.nvBufferMax)).pipe(
    // It is a divisor.
    Effect.map((found) => Math.max(found, 1))
  )

const entity = ({ index, name }: NvArea): Entity => ({ handle: index, name })

/** Does something in a protected session of the line. */
export type InSession = <A>(
  line: Line,
  use: (session: ProtectedSession, room: MakingRoom) => Effect.Effect<A, TpmError>
) => Effect.Effect<A, TpmError>

/**
 * Reads and writes of NV memory, each in a protected session: nobody on the bus sees what is in it, and a changed byte is
 * noticed. They are the owner's, or where the index is bound, authorised by the image policy. What the index is called is
 * asked every time, for its Name changes with the first write.
 */
export const nvMemory = (inSession: InSession, imagePolicy: Effect.Effect<Option.Option<ImagePolicy>>) => {
  /** Sends a command on an area, as who may. `command` is given who that is. */
  const accessTo = Effect.fnUntraced(function*(line: Line, room: MakingRoom, area: NvArea) {
    if (!isBound(area.attributes)) {
      return <A>(command: (by: Entity | "the index") => Command<A>, protection: ProtectedAuthorisation) =>
        line.send(command(owner), [protection])
    }
    const policy = yield* imagePolicy
    if (Option.isNone(policy)) return yield* noImagePolicy()
    const session = imageSessions(line, room, policy.value)
    return <A>(command: (by: Entity | "the index") => Command<A>, protection: ProtectedAuthorisation) =>
      Effect.flatMap(session, ({ end, handle }) =>
        // The TPM ends the session with a command that it does.
        Effect.tapError(line.send(command("the index"), [fulfilledPolicy(handle), protection]), () => end))
  })

  const read = Effect.fnUntraced(function*(line: Line, index: number, offset: number, size?: number) {
    const area = yield* line.send(nvReadPublic(index))
    if (!isWritten(area.attributes)) {
      // What the TPM would say, without a session made for it.
      return yield* Effect.fail(refusalOf({ command: "TPM2_NV_Read", code: Option.some(ResponseCode.nvUninitialized) }))
    }
    const wanted = size ?? Math.max(0, area.size - offset)
    const most = yield* bufferMax(line, wanted)
    return yield* inSession(line, (protectedBy, room) =>
      Effect.gen(function*() {
        const access = yield* accessTo(line, room, area)
        const parts: Array<Uint8Array> = []
        for (const { at, length } of pieces(wanted, most)) {
          const protection = { protectedBy, decrypt: false, encrypt: true }
          parts.push(
            yield* access(
              (by) => nvReadCommand(by === "the index" ? entity(area) : by, entity(area), offset + at, length),
              protection
            )
          )
        }
        return new Uint8Array(Buffer.concat(parts))
      }))
  })

  const write = Effect.fnUntraced(
    function*(line: Line, index: number, offset: number, data: Redacted.Redacted<Uint8Array>) {
      const area = yield* line.send(nvReadPublic(index))
      const bytes = Redacted.value(data)
      const most = yield* bufferMax(line, bytes.length)
      yield* inSession(line, (protectedBy, room) =>
        Effect.gen(function*() {
          const access = yield* accessTo(line, room, area)
          let target = area
          for (const { at, length } of pieces(bytes.length, most)) {
            if (at > 0 && !isWritten(target.attributes)) target = yield* line.send(nvReadPublic(index))
            const named = entity(target)
            yield* access((by) =>
              nvWriteCommand(by === "the index" ? named : by, named, offset + at, bytes.subarray(at, at + length)), {
              protectedBy,
              decrypt: true,
              encrypt: false
            })
          }
        }))
    }
  )

  return { read, write }
}
