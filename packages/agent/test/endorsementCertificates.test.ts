import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { certificatesIn } from "../src/session/endorsementCertificates.ts"

const Lengths = Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 3000 }))))

/** A SEQUENCE of so many bytes of content (X.690, 8.1.3). */
const sequence = (length: number): Buffer => {
  const head = length < 0x80
    ? [0x30, length]
    : length < 0x100
    ? [0x30, 0x81, length]
    : [0x30, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), Buffer.alloc(length, 7)])
}

describe("certificates in an NV index", () => {
  it.prop(
    "law: are found whole, whatever padding follows",
    [Lengths, Schema.Literals([0, 1, 100])],
    ([lengths, padding]) => {
      const whole = lengths.map(sequence)
      const found = certificatesIn(Buffer.concat([...whole, Buffer.alloc(padding, 0xff)]))
      assert.deepStrictEqual(
        found.map((one) => Buffer.from(one).toString("hex")),
        whole.map((one) => one.toString("hex"))
      )
    }
  )

  it.prop("law: of what is cut off anywhere only whole ones are given", [Lengths, Schema.Int], ([lengths, where]) => {
    const whole = Buffer.concat(lengths.map(sequence))
    const cut = whole.subarray(0, whole.length === 0 ? 0 : Math.abs(where) % whole.length)
    const found = certificatesIn(cut)
    assert.isBelow(found.length, Math.max(1, lengths.length))
    assert.isAtMost(found.reduce((sum, { length }) => sum + length, 0), cut.length)
  })
})
