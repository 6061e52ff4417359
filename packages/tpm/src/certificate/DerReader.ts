import type { Result } from "effect"
import { MalformedStructure, orMalformed } from "../structures/MalformedStructure.ts"

/** Tags of the universal class that certificates have (ITU-T X.680, 8.4), the constructed bit included. */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18
} as const

/** One element: its content, and all of it with tag and length. */
export interface DerElement {
  readonly tag: number
  readonly content: Uint8Array
  readonly whole: Uint8Array
}

/**
 * Reads DER (ITU-T X.690, 10): one-byte tags, definite lengths in as few bytes as possible. Anything else throws
 * MalformedStructure, which `readWholeDer` turns into a value: nothing else calls a reader.
 */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #path: string
  #at = 0

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes
    this.#path = path
  }

  fail(field: string, reason: string): never {
    const path = `${this.#path}.${field}`
    throw new MalformedStructure({ field: path, offset: this.#at, message: `${path}: ${reason}` })
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  /** The tag of the next element, undefined at the end. */
  get next(): number | undefined {
    return this.#bytes[this.#at]
  }

  #byte(field: string): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) return this.fail(field, "is cut off")
    this.#at += 1
    return byte
  }

  #length(field: string): number {
    const first = this.#byte(field)
    if (first < 0x80) return first
    // Two bytes of length are 64 KiB; nothing that is read here is longer.
    const count = first & 0x7f
    if (count === 0 || count > 2) return this.fail(field, "has a length of a form that is not allowed")
    let length = 0
    for (let at = 0; at < count; at += 1) length = length * 256 + this.#byte(field)
    if (length < 0x80 || (count === 2 && length < 0x100)) {
      return this.fail(field, "has a length in more bytes than it needs")
    }
    return length
  }

  /** The next element, whatever it is. */
  any(field: string): DerElement {
    const start = this.#at
    const tag = this.#byte(field)
    if ((tag & 0x1f) === 0x1f) return this.fail(field, "has a tag of more than one byte")
    const length = this.#length(field)
    if (length > this.remaining) return this.fail(field, `needs ${length} bytes and only ${this.remaining} are left`)
    const content = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return { tag, content, whole: this.#bytes.subarray(start, this.#at) }
  }

  /** The next element, which must have this tag. */
  element(field: string, tag: number): DerElement {
    if (this.next !== tag) {
      this.fail(field, `has the tag 0x${this.next?.toString(16) ?? ""}, expected 0x${tag.toString(16)}`)
    }
    return this.any(field)
  }

  /** The next element if it has this tag. */
  optional(field: string, tag: number): DerElement | undefined {
    return this.next === tag ? this.any(field) : undefined
  }

  /** A constructed element, whose content `read` must read to its end. */
  within<A>(field: string, tag: number, read: (reader: DerReader) => A): A {
    return this.inside(field, this.element(field, tag).content, read)
  }

  /** Bytes as DER of their own, which `read` must read to their end. */
  inside<A>(field: string, bytes: Uint8Array, read: (reader: DerReader) => A): A {
    const inner = new DerReader(bytes, `${this.#path}.${field}`)
    const value = read(inner)
    inner.end()
    return value
  }

  boolean(field: string): boolean {
    const { content } = this.element(field, Tag.boolean)
    const value = content[0]
    if (content.length !== 1 || (value !== 0 && value !== 0xff)) return this.fail(field, "is no boolean")
    return value === 0xff
  }

  /** A number from 0 to 2^31 - 1. */
  smallInteger(field: string): number {
    const { content } = this.element(field, Tag.integer)
    const first = content[0]
    if (first === undefined || content.length > 4 || first >= 0x80) return this.fail(field, "is no small number")
    return content.reduce((value, byte) => value * 256 + byte, 0)
  }

  /** A positive number of any size, big-endian, without the zero byte that keeps its sign. */
  positiveInteger(field: string): Uint8Array {
    const { content } = this.element(field, Tag.integer)
    const first = content[0]
    if (first === undefined || first >= 0x80) return this.fail(field, "is not positive")
    if (first !== 0) return content
    if ((content[1] ?? 0) < 0x80) return this.fail(field, "has a zero byte more than it needs")
    return content.subarray(1)
  }

  /** An object identifier in dotted numbers. */
  objectIdentifier(field: string): string {
    const { content } = this.element(field, Tag.objectIdentifier)
    const arcs: Array<number> = []
    let arc = 0
    for (const [at, byte] of content.entries()) {
      if (arc === 0 && byte === 0x80) this.fail(field, "has an arc in more bytes than it needs")
      arc = arc * 128 + (byte & 0x7f)
      if (arc > 0xffff_ffff) this.fail(field, "has an arc of more than 32 bits")
      if (byte < 0x80) {
        arcs.push(arc)
        arc = 0
      } else if (at === content.length - 1) this.fail(field, "is cut off")
    }
    const [first] = arcs
    if (first === undefined) return this.fail(field, "is empty")
    const root = Math.min(2, Math.floor(first / 40))
    return [root, first - root * 40, ...arcs.slice(1)].join(".")
  }

  /** A bit string of whole bytes. */
  wholeBits(field: string): Uint8Array {
    const { content } = this.element(field, Tag.bitString)
    if (content[0] !== 0) return this.fail(field, "is no bit string of whole bytes")
    return content.subarray(1)
  }

  /** All that is left, which must be zero bytes only or 0xFF bytes only. */
  padding(field: string): void {
    const rest = this.#bytes.subarray(this.#at)
    const [first] = rest
    if (first !== undefined && ((first !== 0 && first !== 0xff) || rest.some((byte) => byte !== first))) {
      this.fail(field, `${rest.length} bytes are neither a certificate nor padding`)
    }
    this.#at = this.#bytes.length
  }

  end(): void {
    if (this.remaining > 0) this.fail("end", `${this.remaining} bytes follow, none may`)
  }
}

/** Reads DER that fills `bytes` exactly. `name` begins the path of the field in errors. */
export const readWholeDer = <A>(
  bytes: Uint8Array,
  name: string,
  read: (reader: DerReader) => A
): Result.Result<A, MalformedStructure> =>
  orMalformed(() => {
    const reader = new DerReader(bytes, name)
    const value = read(reader)
    reader.end()
    return value
  })
