import { assert, describe, it } from "@effect/vitest"
import { Option, Result, Schema } from "effect"
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto"
import { approvalOf, pcrsOfAny } from "../src/policy/approvalOf.ts"
import { approveImage, operatorKeyPublic } from "../src/policy/approveImage.ts"
import { ImagePolicy } from "../src/policy/ImagePolicy.ts"
import {
  approvalDigest,
  authorisedPolicy,
  IMAGE_PCRS,
  pcrPolicy,
  POLICY_REFERENCE
} from "../src/policy/policyDigest.ts"
import { toHex } from "../src/structures/Hex.ts"
import { nameOf } from "../src/structures/Name.ts"
import { bytes, failure, numbers } from "./fixtures.ts"

const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey

describe("an image policy", () => {
  it.prop("is signed with the reference, and is another for other values in any PCR", [Schema.Int], ([seed]) => {
    const next = numbers(seed)
    const values = IMAGE_PCRS.pcrs.map(() => Uint8Array.from({ length: 32 }, () => next(256)))
    const byNumber = (all: ReadonlyArray<Uint8Array>) => new Map(all.map((value, at) => [12 + at, value]))
    const { pcrs, policy, signature } = approveImage(key, byNumber(values))
    assert.strictEqual(policy, toHex(pcrPolicy(IMAGE_PCRS, values)))
    assert.isUndefined(pcrs)
    // TPMT_SIGNATURE: ECDSA, SHA-256, then r and s of 32 bytes.
    const [, r = "", s = ""] = /^0018000b0020([0-9a-f]{64})0020([0-9a-f]{64})$/.exec(signature) ?? []
    const signed = (data: Uint8Array) =>
      verify("sha256", data, { key: createPublicKey(key), dsaEncoding: "ieee-p1363" }, bytes(r + s))
    assert.isTrue(signed(Buffer.concat([bytes(policy), POLICY_REFERENCE])))
    assert.isFalse(signed(bytes(policy)))
    const changed = values.map((value) => value.slice())
    const at = changed[next(3)] ?? new Uint8Array()
    const byte = next(32)
    at[byte] = (at[byte] ?? 0) ^ 1
    assert.notStrictEqual(approveImage(key, byNumber(changed)).policy, policy)
  })

  it("is met by the values of all of its PCRs, and of several the one of most PCRs is taken", () => {
    const value = (digit: string) => bytes(digit.repeat(64))
    const boot = new Map([[4, value("a")], [11, value("b")], [12, value("0")], [13, value("0")], [14, value("0")]])
    const by = (...pcrs: ReadonlyArray<number>) =>
      approveImage(key, new Map(pcrs.map((pcr) => [pcr, boot.get(pcr) ?? new Uint8Array()])))
    // Given in any order: the policy is over PCRs in rising order.
    const [few, most] = [by(12, 13, 14), by(14, 13, 12, 4)]
    assert.deepStrictEqual([few.pcrs, most.pcrs], [undefined, [4, 12, 13, 14]])
    assert.deepStrictEqual(pcrsOfAny([few, most]).pcrs, [4, 12, 13, 14])
    for (const approved of [[few, most], [most, few]]) {
      assert.deepStrictEqual(approvalOf(approved, boot), Option.some(most))
      // What booted is another, and was given as little: the approval of PCR 12 to 14 is as good as ever.
      assert.deepStrictEqual(approvalOf(approved, new Map([...boot, [4, value("c")]])), Option.some(few))
      assert.deepStrictEqual(approvalOf(approved, new Map([...boot, [13, value("c")]])), Option.none())
      assert.deepStrictEqual(approvalOf(approved, new Map([[4, value("a")]])), Option.none())
    }
    assert.deepStrictEqual(approvalOf([], boot), Option.none())
  })

  it("of another key or another reference opens nothing of this one", () => {
    const name = nameOf(Result.getOrThrow(operatorKeyPublic(key)))
    const other = nameOf(
      Result.getOrThrow(operatorKeyPublic(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey))
    )
    const digests = [
      authorisedPolicy(name, POLICY_REFERENCE),
      authorisedPolicy(other, POLICY_REFERENCE),
      authorisedPolicy(name, new Uint8Array()),
      approvalDigest(name, POLICY_REFERENCE)
    ]
    assert.strictEqual(new Set(digests.map(toHex)).size, 4)
  })

  it("has the same public key from the private and the public one, and refuses one that is not of P-256", () => {
    const area = Result.getOrThrow(operatorKeyPublic(key))
    assert.deepStrictEqual(Result.getOrThrow(operatorKeyPublic(createPublicKey(key))), area)
    for (
      const unfit of [
        generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
        generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey,
        generateKeyPairSync("ed25519").privateKey
      ]
    ) assert.include(failure(operatorKeyPublic(unfit)).message, "P-256")
  })

  it("travels as JSON, and anything that is none is refused", () => {
    const policy: ImagePolicy = {
      key: Result.getOrThrow(operatorKeyPublic(key)),
      approved: [12, 4].map((pcr) => approveImage(key, new Map([[pcr, new Uint8Array(32)]])))
    }
    const codec = Schema.fromJsonString(ImagePolicy)
    const text = Schema.encodeSync(codec)(policy)
    assert.deepStrictEqual(Schema.decodeSync(codec)(text), policy)
    for (
      const spoilt of [text.replace("0018000b", "0018000"), text.replace("\"policy\":\"", "\"policy\":\"00"), "{}"]
    ) {
      assert.isTrue(Option.isNone(Schema.decodeOption(codec)(spoilt)))
    }
  })
})
