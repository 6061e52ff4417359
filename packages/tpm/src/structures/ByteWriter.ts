/**
 * Writes TPM canonical form: big-endian integers and size-prefixed buffers, without padding (TPM 2.0 part 1, 9.1;
 * part 2, 4). Sizes are the caller's duty: a number out of range is a defect, not bad input, and throws a RangeError.
 */
export class ByteWriter {
  readonly #parts: Array<number | Uint8Array> = []
  /** Of each part, in bytes. */
  readonly #sizes: Array<number> = []
  #length = 0

  #push(part: number | Uint8Array, size: number): this {
    this.#parts.push(part)
    this.#sizes.push(size)
    this.#length += size
    return this
  }

  #unsigned(value: number, size: number): this {
    if (!Number.isInteger(value) || value < 0 || value >= 256 ** size) {
      throw new RangeError(`${value} does not fit into ${size} unsigned bytes`)
    }
    return this.#push(value, size)
  }

  u8(value: number): this {
    return this.#unsigned(value, 1)
  }

  u16(value: number): this {
    return this.#unsigned(value, 2)
  }

  u32(value: number): this {
    return this.#unsigned(value, 4)
  }

  u64(value: bigint): this {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
      throw new RangeError(`${value} does not fit into 8 unsigned bytes`)
    }
    return this.u32(Number(value >> 32n)).u32(Number(value & 0xffff_ffffn))
  }

  bytes(value: Uint8Array): this {
    return this.#push(value, value.length)
  }

  /** A TPM2B: a 16-bit size and the bytes (TPM 2.0 part 2, 10.4). */
  sized(value: Uint8Array): this {
    return this.u16(value.length).bytes(value)
  }

  done(): Uint8Array {
    const whole = new Uint8Array(this.#length)
    let end = 0
    for (const [index, part] of this.#parts.entries()) {
      const start = end
      end += this.#sizes[index] ?? 0
      if (typeof part !== "number") whole.set(part, start)
      else {for (let at = end - 1, rest = part; at >= start; at -= 1, rest = Math.floor(rest / 256)) {
          whole[at] = rest % 256
        }}
    }
    return whole
  }
}
