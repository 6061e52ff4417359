import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { certificatesInNv } from "../src/certificate/certificatesInNv.ts"
import { authority, caCertificate } from "./CertificateWriter.ts"
import { failure } from "./fixtures.ts"

const [root, issuing] = [authority("Root"), authority("Issuing")]
const [first, second] = [caCertificate(issuing, root), caCertificate(root, root)]
const filled = (byte: number, count: number): Uint8Array => new Uint8Array(count).fill(byte)
const content = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

describe("certificates in an NV index", () => {
  it("are taken apart, and what fills the index is left away", () => {
    const found = (...parts: ReadonlyArray<Uint8Array>) => Result.getOrThrow(certificatesInNv(content(...parts)))
    assert.deepStrictEqual(found(first), [first])
    assert.deepStrictEqual(found(first, second), [first, second])
    assert.deepStrictEqual(found(first, second, filled(0, 100)), [first, second])
    assert.deepStrictEqual(found(first, filled(0xff, 100)), [first])
    assert.deepStrictEqual(found(filled(0xff, 100)), [])
    assert.deepStrictEqual(found(), [])
  })

  it("are refused when they are cut off, or followed by something else", () => {
    const field = (...parts: ReadonlyArray<Uint8Array>) => failure(certificatesInNv(content(...parts))).field
    assert.strictEqual(field(first, second.subarray(0, -1)), "NV index.certificates.1")
    assert.strictEqual(field(first, filled(0, 1), filled(0xff, 1)), "NV index.padding")
    assert.strictEqual(field(first, filled(1, 4)), "NV index.padding")
    assert.strictEqual(field(first, filled(0, 4), second), "NV index.padding")
  })
})
