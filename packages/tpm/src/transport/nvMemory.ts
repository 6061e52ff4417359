import { Effect, Option, Redacted } from "effect"
import { type Entity, owner } from "../command/Entity.ts"
import { getProperty, Property } from "../command/getCapability.ts"
import { type NvArea, nvReadCommand, nvReadPublic, nvWriteCommand } from "../command/nv.ts"
import type { ProtectedSession } from "../session/ProtectedSession.ts"
import type { Line } from "./Exchange.ts"
import { isWritten } from "./nvAttributes.ts"
import { refusalOf } from "./refusalOf.ts"
import { ResponseCode } from "./ResponseCode.ts"
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

/**
 * Reads and writes of NV memory as the owner, each in a protected session: nobody on the bus sees what is in it, and a
 * changed byte is noticed. What the index is called is asked every time, for its Name changes with the first write.
 */
export const nvMemory = (
  inSession: <A>(
    line: Line,
    use: (session: ProtectedSession) => Effect.Effect<A, TpmError>
  ) => Effect.Effect<A, TpmError>
) => {
  const read = Effect.fnUntraced(function*(line: Line, index: number, offset: number, size?: number) {
    const area = yield* line.send(nvReadPublic(index))
    if (!isWritten(area.attributes)) {
      // What the TPM would say, without a session made for it.
      return yield* Effect.fail(refusalOf({ command: "TPM2_NV_Read", code: Option.some(ResponseCode.nvUninitialized) }))
    }
    const wanted = size ?? Math.max(0, area.size - offset)
    const most = yield* bufferMax(line, wanted)
    return yield* inSession(line, (protectedBy) =>
      Effect.map(
        Effect.forEach(pieces(wanted, most), ({ at, length }) =>
          line.send(
            nvReadCommand(owner, entity(area), offset + at, length),
            [{ protectedBy, decrypt: false, encrypt: true }]
          )),
        (parts) => new Uint8Array(Buffer.concat(parts))
      ))
  })

  const write = Effect.fnUntraced(
    function*(line: Line, index: number, offset: number, data: Redacted.Redacted<Uint8Array>) {
      const area = yield* line.send(nvReadPublic(index))
      const bytes = Redacted.value(data)
      const most = yield* bufferMax(line, bytes.length)
      yield* inSession(
        line,
        Effect.fnUntraced(function*(protectedBy) {
          let target = area
          for (const { at, length } of pieces(bytes.length, most)) {
            if (at > 0 && !isWritten(target.attributes)) target = yield* line.send(nvReadPublic(index))
            yield* line.send(
              nvWriteCommand(owner, entity(target), offset + at, bytes.subarray(at, at + length)),
              [{ protectedBy, decrypt: true, encrypt: false }]
            )
          }
        })
      )
    }
  )

  return { read, write }
}
