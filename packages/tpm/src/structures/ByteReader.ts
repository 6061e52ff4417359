import type { Result } from "effect"
import { MalformedStructure, orMalformed } from "./MalformedStructure.ts"

/**
 * Reads TPM canonical form: big-endian integers and size-prefixed buffers, without padding (TPM 2.0 part 1, 9.1;
 * part 2, 4). Every read is checked against what is left. A failed read throws MalformedStructure, which `readWhole`
 * turns into a value: nothing else calls a reader.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #path: string
  readonly #base: number
  #at = 0

  constructor(bytes: Uint8Array, path: string, base = 0) {
    this.#bytes = bytes
    this.#path = path
    this.#base = base
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  fail(field: string, reason: string): never {
    const path = `${this.#path}.${field}`
    throw new MalformedStructure({ field: path, offset: this.#base + this.#at, message: `${path}: ${reason}` })
  }

  #take(field: string, size: number): Uint8Array {
    if (size > this.remaining) this.fail(field, `needs ${size} bytes and only ${this.remaining} are left`)
    const taken = this.#bytes.slice(this.#at, this.#at + size)
    this.#at += size
    return taken
  }

  #unsigned(field: string, size: number): number {
    if (size > this.remaining) this.#take(field, size)
    const end = this.#at + size
    let value = 0
    for (; this.#at < end; this.#at += 1) value = value * 256 + (this.#bytes[this.#at] ?? 0)
    return value
  }

  u8(field: string): number {
    return this.#unsigned(field, 1)
  }

  u16(field: string): number {
    return this.#unsigned(field, 2)
  }

  u32(field: string): number {
    return this.#unsigned(field, 4)
  }

  #little(field: string, size: number): number {
    if (size > this.remaining) this.#take(field, size)
    let value = 0
    for (let at = this.#at + size - 1; at >= this.#at; at -= 1) value = value * 256 + (this.#bytes[at] ?? 0)
    this.#at += size
    return value
  }

  /** 64 bits do not fit into a number. */
  u64(field: string): bigint {
    return BigInt(this.#unsigned(field, 4)) * 0x1_0000_0000n + BigInt(this.#unsigned(field, 4))
  }

  /** Little-endian, as firmware writes its event log. */
  u16le(field: string): number {
    return this.#little(field, 2)
  }

  /** Little-endian, as firmware writes its event log. */
  u32le(field: string): number {
    return this.#little(field, 4)
  }

  bytes(field: string, size: number): Uint8Array {
    return this.#take(field, size)
  }

  /** A TPM2B: a 16-bit size and so many bytes, at most `max` (TPM 2.0 part 2, 10.4). */
  sized(field: string, max: number): Uint8Array {
    const size = this.u16(`${field}.size`)
    if (size > max) this.fail(field, `is ${size} bytes long, at most ${max} are allowed`)
    return this.#take(field, size)
  }

  /** A TPM2B around a structure, which must fill it exactly. */
  nested<A>(field: string, max: number, read: (reader: ByteReader) => A): A {
    const base = this.#base + this.#at + 2
    const inner = new ByteReader(this.sized(field, max), field, base)
    const value = read(inner)
    inner.end()
    return value
  }

  /** So many bytes as a structure of their own, which must fill them exactly. */
  within<A>(field: string, size: number, read: (reader: ByteReader) => A): A {
    const base = this.#base + this.#at
    const inner = new ByteReader(this.#take(field, size), `${this.#path}.${field}`, base)
    const value = read(inner)
    inner.end()
    return value
  }

  end(): void {
    if (this.remaining > 0) this.fail("end", `${this.remaining} bytes follow the structure, none may`)
  }
}

/** Reads a structure that fills `bytes` exactly. `name` begins the path of the field in errors. */
export const readWhole = <A>(
  bytes: Uint8Array,
  name: string,
  read: (reader: ByteReader) => A
): Result.Result<A, MalformedStructure> =>
  orMalformed(() => {
    const reader = new ByteReader(bytes, name)
    const value = read(reader)
    reader.end()
    return value
  })
