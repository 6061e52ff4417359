/**
 * Writes TPM canonical form: big-endian integers and size-prefixed buffers, without padding (TPM 2.0 part 1, 9.1;
 * part 2, 4). Sizes are the caller's duty: a number out of range is a defect, not bad input, and throws a RangeError.
 */
export class ByteWriter {
  #bytes = new Uint8Array(64)
  #length = 0

  /** Makes room for so many bytes more: where they begin. */
  #room(size: number): number {
    const at = this.#length
    this.#length += size
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    return at
  }

  #unsigned(value: number, size: number): this {
    if (!Number.isInteger(value) || value < 0 || value >= 256 ** size) {
      throw new RangeError(`${value} does not fit into ${size} unsigned bytes`)
    }
    const first = this.#room(size)
    for (let at = this.#length - 1, rest = value; at >= first; at -= 1, rest = Math.floor(rest / 256)) {
      this.#bytes[at] = rest % 256
    }
    return this
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
    const at = this.#room(value.length)
    this.#bytes.set(value, at)
    return this
  }

  /** A TPM2B: a 16-bit size and the bytes (TPM 2.0 part 2, 10.4). */
  sized(value: Uint8Array): this {
    return this.u16(value.length).bytes(value)
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}
