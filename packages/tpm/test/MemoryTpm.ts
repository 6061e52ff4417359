import { Effect, Layer, Option, Redacted } from "effect"
import { type NvPublic, Tpm } from "../src/transport/Tpm.ts"
import { NvIndexAbsent, NvIndexUnwritten, NvSpaceExhausted, TpmTimeout } from "../src/transport/TpmError.ts"

/** NV memory as the key store sees it: by index, its bytes, and whether any were written. */
export type Memory = ReadonlyMap<number, { readonly bytes: Uint8Array; readonly written: boolean }>

/** What a TPM promises. `room` is the sum of the sizes of all its indexes; `fill` is what unwritten bytes read as. */
export interface Kind {
  readonly nvIndexMax: number
  readonly nvBufferMax: number
  readonly room: number
  readonly fill: number
}

const PATELAS = 0x0202_0002
const WRITTEN = 0x2000_0000
const unused = Effect.die("the key store has no use for this")

/**
 * NV memory of a TPM that does each command wholly or not at all. It loses its power after `life` commands that change
 * something: every later command fails. Bytes over NV_BUFFER_MAX and a second definition kill the test.
 */
export class MemoryTpm {
  memory: Memory
  changes = 0
  refusals = 0
  readonly #kind: Kind
  readonly #life: number
  readonly #strangers: ReadonlyMap<number, number>

  constructor(kind: Kind, memory: Memory, life = Infinity, strangers: ReadonlyMap<number, number> = new Map()) {
    this.memory = memory
    this.#kind = kind
    this.#life = life
    this.#strangers = strangers
  }

  readonly #cut = new TpmTimeout({ command: "power", seconds: 0, message: "the power was cut" })

  #change(next: Memory) {
    return Effect.suspend(() => {
      if (this.changes >= this.#life) return Effect.fail(this.#cut)
      this.changes += 1
      this.memory = next
      return Effect.void
    })
  }

  #find(index: number) {
    const found = this.memory.get(index)
    return found === undefined ? Effect.fail(new NvIndexAbsent({ index, message: "absent" })) : Effect.succeed(found)
  }

  readonly #nvRead = Effect.fnUntraced(function*(this: MemoryTpm, index: number, offset: number, size?: number) {
    const { bytes, written } = yield* this.#find(index)
    if (!written) return yield* new NvIndexUnwritten({ index, message: "unwritten" })
    if (offset + (size ?? 0) > bytes.length) throw new Error("a read over the end of an index")
    return bytes.slice(offset, size === undefined ? undefined : offset + size)
  })

  readonly #nvWrite = Effect.fnUntraced(
    function*(this: MemoryTpm, index: number, offset: number, data: Redacted.Redacted<Uint8Array>) {
      const written = Redacted.value(data)
      const bytes = (yield* this.#find(index)).bytes.slice()
      if (written.length > this.#kind.nvBufferMax) throw new Error("a write over NV_BUFFER_MAX")
      bytes.set(written, offset)
      yield* this.#change(new Map(this.memory).set(index, { bytes, written: true }))
    }
  )

  readonly #nvDefine = Effect.fnUntraced(function*(this: MemoryTpm, index: number, size: number) {
    if (this.memory.has(index)) throw new Error("an index is defined twice")
    const taken = [...this.memory.values()].reduce((sum, { bytes }) => sum + bytes.length, 0)
    if (size > this.#kind.nvIndexMax || taken + size > this.#kind.room) {
      this.refusals += 1
      return yield* new NvSpaceExhausted({ index, size, message: "no room" })
    }
    const bytes = new Uint8Array(size).fill(this.#kind.fill)
    yield* this.#change(new Map(this.memory).set(index, { bytes, written: false }))
  })

  readonly #nvUndefine = Effect.fnUntraced(function*(this: MemoryTpm, index: number) {
    yield* this.#find(index)
    yield* this.#change(new Map([...this.memory].filter(([other]) => other !== index)))
  })

  get #publics(): ReadonlyArray<NvPublic> {
    return [...this.memory].map(([index, { bytes, written }]) => ({
      index,
      size: bytes.length,
      attributes: (this.#strangers.get(index) ?? PATELAS) + (written ? WRITTEN : 0),
      written
    }))
  }

  readonly layer = Layer.sync(Tpm, () =>
    Tpm.of({
      endorsementKey: unused,
      useEndorsementKey: () => unused,
      attestationKey: unused,
      activateCredential: () => unused,
      quote: () => unused,
      pcrRead: () => unused,
      persistentHandles: unused,
      evictPersistent: () => unused,
      nvAttributes: Effect.succeed(PATELAS),
      imagePcrs: unused,
      nvRead: (index, offset, size) => this.#nvRead(index, offset, size),
      nvWrite: (index, offset, data) => this.#nvWrite(index, offset, data),
      nvDefine: (index, size) => this.#nvDefine(index, size),
      nvUndefine: (index) => this.#nvUndefine(index),
      nvPublics: Effect.sync(() => this.#publics),
      limits: Effect.succeed({ ...this.#kind, manufacturer: "TEST", inLockout: false })
    }))
}

/** The sizes of the indexes of a memory, by index. */
export const sizesIn = (memory: Memory): ReadonlyMap<number, number> =>
  new Map([...memory].map(([index, { bytes }]) => [index, bytes.length]))

export const bytesAt = (memory: Memory, index: number): Uint8Array =>
  Option.getOrThrow(Option.fromUndefinedOr(memory.get(index))).bytes
