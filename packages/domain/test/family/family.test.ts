import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result, Schema } from "effect"
import { createHash, generateKeyPairSync } from "node:crypto"
import { familySealedWith } from "../../src/api/FamilyKeys.ts"
import {
  FAMILY_FILE_BYTES,
  familyFileOf,
  familyIdOf,
  familySecretFromBytes,
  familySecretFromFile
} from "../../src/family/FamilySecret.ts"

/** RFC 8032, section 5.1.5. */
const expanded = (seed: Uint8Array): Uint8Array => {
  const hash = createHash("sha512").update(seed).digest()
  hash[0] = (hash[0] ?? 0) & 0xf8
  hash[31] = ((hash[31] ?? 0) & 0x7f) | 0x40
  return hash
}

const newPair = () => {
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })
  return { secret: expanded(Buffer.from(d ?? "", "base64url")), public: Buffer.from(x ?? "", "base64url") }
}

const fileOf = (secret: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from("== ed25519v1-secret: fmly-id ==\0", "latin1"), secret])

describe("the secret of a family", () => {
  it("is the same from bytes and from tor's file, and says the identity that OpenSSL derives", () => {
    for (let count = 0; count < 20; count++) {
      const pair = newPair()
      const secret = Result.getOrThrow(familySecretFromFile(fileOf(pair.secret)))
      assert.deepEqual(Buffer.from(Redacted.value(secret)), Buffer.from(pair.secret))
      assert.deepEqual(Buffer.from(Redacted.value(familyFileOf(secret))), Buffer.from(fileOf(pair.secret)))
      assert.strictEqual(familyIdOf(secret), pair.public.toString("base64").replace(/=+$/, ""))
    }
  })

  it.effect.prop("is refused from any other bytes, which are not quoted", [
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: FAMILY_FILE_BYTES - 1 }))),
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 255 }))),
    Schema.Boolean
  ], ([at, change, cut]) =>
    Effect.sync(() => {
      const { secret } = newPair()
      const file = fileOf(secret)
      const other = cut ? file.subarray(0, at) : file.map((byte, index) => index === at ? byte ^ change : byte)
      const read = familySecretFromFile(other)
      if (Result.isSuccess(read)) {
        // Bytes of the scalar and prefix are all as good as any, but for the bits that every scalar has.
        assert.isAtLeast(at, 32)
        assert.notDeepEqual(Buffer.from(Redacted.value(read.success)), Buffer.from(secret))
      } else assert.notInclude(read.failure.message, Buffer.from(secret).toString("hex").slice(0, 16))
    }))

  it("shows nothing when printed, and is 64 bytes", () => {
    const secret = Result.getOrThrow(familySecretFromBytes(newPair().secret))
    const text = Buffer.from(Redacted.value(secret)).toString("hex")
    assert.notInclude(`${JSON.stringify([secret, familyFileOf(secret)])} ${String(secret)}`, text.slice(0, 16))
    for (const size of [0, 63, 65]) assert.isTrue(Result.isFailure(familySecretFromBytes(new Uint8Array(size))))
  })

  it("is sealed with a text that tells families apart by case", () => {
    const keys = { ek_public: "AB", ak_public: "CD", ak_name: "EF" }
    const lower = familyIdOf(Result.getOrThrow(familySecretFromBytes(newPair().secret)))
    assert.strictEqual(familySealedWith(lower, keys), `patela family v1\nab\ncd\nef\n${lower}`)
  })
})
