import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { decodeCredentialFile, encodeCredentialFile } from "../src/credential/CredentialFile.ts"
import { readHeader, readSlot } from "../src/store/slot.ts"
import { fromHex, toHex } from "../src/structures/Hex.ts"
import { nameHexOf } from "../src/structures/Name.ts"
import {
  decodePublicHex,
  decodeTpm2bPublic,
  decodeTpmtPublic,
  encodePublicHex,
  encodeTpm2bPublic,
  encodeTpmtPublic,
  TpmtPublic,
  TpmtPublicFromHex
} from "../src/structures/TpmtPublic.ts"
import {
  akHex,
  akNameHex,
  attestationKey,
  bytes,
  ekHex,
  endorsementKeys,
  failure,
  mutated,
  numbers
} from "./fixtures.ts"

const CASES = 2500

describe("TPM structures", () => {
  it("reads and writes what a TPM wrote, byte for byte", () => {
    for (const hex of [ekHex, akHex]) {
      assert.strictEqual(encodePublicHex(Result.getOrThrow(decodePublicHex(hex))), hex)
      assert.strictEqual(encodePublicHex(Result.getOrThrow(decodePublicHex(hex.toUpperCase()))), hex)
    }
  })

  it("computes the Name that the TPM computed", () => {
    assert.strictEqual(nameHexOf(Result.getOrThrow(decodePublicHex(akHex))), akNameHex)
  })

  it.prop("a public area survives writing and reading", [TpmtPublic], ([area]) => {
    if (area.authPolicy.length > 64) return
    const read = decodeTpmtPublic(encodeTpmtPublic(area))
    // Arbitrary lengths of the unique part may be over the bounds: then an error, else the same value.
    if (Result.isSuccess(read)) assert.deepStrictEqual(read.success, area)
    else assert.match(read.failure.field, /unique/)
  }, { arbitrary: { runs: 500 } })

  it.prop("hexadecimal digits survive", [Schema.Uint8Array], ([value]) => {
    assert.deepStrictEqual(Result.getOrThrow(fromHex(toHex(value), "value")), value)
  })

  it("answers every mutation with an error that names a field, or with a value that is written as it was read", () => {
    const next = numbers(1)
    const areas = [...endorsementKeys.map(({ key }) => key), attestationKey].map(encodeTpm2bPublic)
    let refused = 0
    for (let round = 0; round < CASES; round += 1) {
      const from = areas[round % areas.length] ?? new Uint8Array()
      const changed = mutated(round % 3 === 0 ? mutated(from, next) : from, next)
      const read = decodeTpm2bPublic(changed)
      if (Result.isSuccess(read)) {
        assert.deepStrictEqual(encodeTpm2bPublic(read.success), changed)
      } else {
        refused += 1
        assert.match(read.failure.field, /^(?:TPM2B_PUBLIC|TPMT_PUBLIC)\./)
        assert.isAtMost(read.failure.offset, changed.length)
      }
    }
    assert.isAbove(refused, CASES / 4)
  })

  it("refuses every truncation and every trailing byte", () => {
    const whole = bytes(ekHex)
    for (let size = 0; size < whole.length; size += 1) {
      assert.isTrue(Result.isFailure(decodeTpm2bPublic(whole.subarray(0, size))))
    }
    assert.strictEqual(failure(decodeTpm2bPublic(bytes(`${ekHex}00`))).field, "TPM2B_PUBLIC.end")
    assert.strictEqual(failure(decodePublicHex("0")).field, "TPM2B_PUBLIC")
    assert.strictEqual(failure(decodePublicHex("zz")).field, "TPM2B_PUBLIC")
  })

  it("reads mutated credential files and NV content without a crash", () => {
    const next = numbers(2)
    const file = encodeCredentialFile({ blob: bytes("0003aabbcc"), secret: bytes("0002ddee") })
    for (let round = 0; round < CASES; round += 1) {
      const changed = mutated(file, next)
      const read = decodeCredentialFile(changed)
      if (Result.isSuccess(read)) assert.deepStrictEqual(encodeCredentialFile(read.success), changed)
      const content = Uint8Array.from({ length: next(300) }, () => next(256))
      assert.notStrictEqual(readHeader(content).state, "valid")
      assert.notStrictEqual(readSlot(content).state, "valid")
    }
  })

  it.effect("is a Schema for the wire", () =>
    Effect.gen(function*() {
      const area = yield* Schema.decodeUnknownEffect(TpmtPublicFromHex)(ekHex)
      assert.strictEqual(yield* Schema.encodeEffect(TpmtPublicFromHex)(area), ekHex)
      const error = yield* Effect.flip(Schema.decodeUnknownEffect(TpmtPublicFromHex)(`${ekHex}00`))
      assert.include(String(error), "TPM2B_PUBLIC.end")
    }))
})
