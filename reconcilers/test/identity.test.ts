import { assert, describe, it } from "@effect/vitest"
import { publicPointOf } from "@patela/domain/relay/Edwards25519"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot, uidOf } from "@patela/domain/relay/Slot"
import { Effect, Option, Redacted, Result, Schema } from "effect"
import { createHash, createPrivateKey } from "node:crypto"
import type { HostIdentity } from "../src/identity/HostIdentity.ts"
import { decodeStored, digestOfStored, encodeStored, storeTagOf } from "../src/identity/IdentityStore.ts"
import { fingerprintsOf, identityFromBytes, identityFromKeyFiles, keyFilesOf } from "../src/identity/RelayIdentity.ts"
import { type DesiredIdentity, restorationOf } from "../src/identity/Restoration.ts"
import { expanded, identityAt, newKeyFiles, Pick } from "./TestIdentities.ts"

const get = <A, E>(result: Result.Result<A, E>): A => Result.getOrThrow(result)

/** RFC 8032, section 5.1: the order of the base point. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

describe("the public point of a scalar", () => {
  it.effect.prop(
    "is the one that node:crypto derives from the seed",
    [Schema.Uint8Array],
    ([random]) =>
      Effect.sync(() => {
        const seed = createHash("sha256").update(random).digest()
        const key = createPrivateKey({
          format: "der",
          type: "pkcs8",
          key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed])
        })
        const x = generatePublic(key)
        assert.deepEqual(Buffer.from(publicPointOf(expanded(seed).subarray(0, 32))), x)
      }),
    { arbitrary: { runs: 25 } }
  )

  it.effect.prop(
    "is the same for a scalar that is the order of the base point more, up to the largest of 32 bytes",
    [Schema.Uint8Array],
    ([random]) =>
      Effect.sync(() => {
        const scalar = BigInt(`0x${createHash("sha256").update(random).digest("hex")}`) % ORDER
        const most = (2n ** 256n - 1n - scalar) / ORDER
        const bytes = (value: bigint) => Buffer.from(value.toString(16).padStart(64, "0"), "hex").toReversed()
        assert.deepEqual(publicPointOf(bytes(scalar + most * ORDER)), publicPointOf(bytes(scalar)))
      }),
    { arbitrary: { runs: 25 } }
  )

  const generatePublic = (key: ReturnType<typeof createPrivateKey>): Buffer =>
    Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url")
})

describe("key files", () => {
  it("come back byte for byte but for OpenSSL's d, and say who they are", () => {
    for (let count = 0; count < 10; count++) {
      const { files, publicPoint } = newKeyFiles()
      const identity = get(identityFromKeyFiles(files))
      const again = keyFilesOf(identity)
      assert.deepEqual(Buffer.from(Redacted.value(again.ed25519)), Buffer.from(Redacted.value(files.ed25519)))
      // The rebuilt RSA file is the same key to OpenSSL, and its fixed point.
      const theirs = createPrivateKey(Buffer.from(Redacted.value(files.rsa)).subarray(0, -1)).export({ format: "jwk" })
      const ours = createPrivateKey(Buffer.from(Redacted.value(again.rsa)).subarray(0, -1)).export({ format: "jwk" })
      assert.deepEqual([ours.n, ours.e], [theirs.n, theirs.e])
      assert.deepEqual(keyFilesOf(get(identityFromKeyFiles(again))), again)
      assert.strictEqual(fingerprintsOf(identity).ed25519, publicPoint.toString("base64").slice(0, 43))
    }
  })

  it.effect.prop("with any byte changed or missing are refused or another key, and never quoted", [
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 886 }))),
    Schema.Boolean
  ], ([at, cut]) =>
    Effect.sync(() => {
      const { ed25519, rsa } = keyFilesOf(identityAt(0))
      const bytes = Buffer.from(Redacted.value(rsa))
      const damaged = cut
        ? bytes.subarray(0, at)
        : Buffer.from(bytes.map((byte, index) => index === at ? byte ^ 1 : byte))
      const result = identityFromKeyFiles({ ed25519, rsa: Redacted.make<Uint8Array>(damaged) })
      if (Result.isFailure(result)) assert.isBelow(result.failure.message.length, 90)
    }))

  it("show no secret when printed", () => {
    const identity = identityAt(0)
    assert.notInclude(JSON.stringify([identity, keyFilesOf(identity)]) + String(identity), "PRIVATE")
    assert.isTrue(Result.isFailure(identityFromBytes(new Uint8Array(192))))
    assert.isTrue(Result.isFailure(identityFromBytes(new Uint8Array(191))))
  })
})

describe("the store's bytes", () => {
  it.effect.prop(
    "hold every entry, whatever their order",
    [Schema.Array(Schema.Tuple([RelayName, Pick]))],
    ([list]) =>
      Effect.sync(() => {
        const entries = new Map(list.map(([name, pick]) => [storeTagOf(name), identityAt(pick)] as const))
        const reversed = new Map([...entries].toReversed())
        const decoded = get(decodeStored(encodeStored(entries)))
        assert.strictEqual(Redacted.value(encodeStored(entries)).length, 196 * entries.size)
        assert.strictEqual(digestOfStored(decoded), digestOfStored(reversed))
        assert.deepEqual([...decoded.keys()], [...entries.keys()].sort())
      })
  )

  it.effect.prop("that were cut short are refused", [
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 195 })))
  ], ([
    length
  ]) =>
    Effect.sync(() => {
      const bytes = Redacted.value(encodeStored(new Map([[storeTagOf(RelayName.make("brie")), identityAt(1)]])))
      assert.isTrue(Result.isFailure(decodeStored(Redacted.make(bytes.subarray(0, length)))))
    }))
})

const Situation = Schema.Struct({
  record: Schema.NullOr(Pick),
  stored: Schema.NullOr(Pick),
  host: Schema.Literals(["absent", "partial", "damaged", 0, 1, 2, 3]),
  restore: Schema.Boolean
})

const situated = ({ host, record, restore, stored }: typeof Situation.Type) => {
  const slot = Slot.make(0)
  const desired: DesiredIdentity = {
    name: RelayName.make("brie"),
    uid: uidOf(slot),
    gid: uidOf(slot),
    record: record === null ? null : fingerprintsOf(identityAt(record)),
    formerly: []
  }
  const states: Readonly<Record<string, HostIdentity>> = {
    absent: { state: "absent" },
    partial: { state: "partial", missing: "rsa" },
    damaged: { state: "damaged", why: "it is empty" }
  }
  const seen: HostIdentity = states[host] ?? {
    state: "present",
    fingerprints: fingerprintsOf(identityAt(Number(host))),
    digest: "",
    untidy: []
  }
  const found = restore && stored !== null ? Option.some(identityAt(stored)) : Option.none()
  return restorationOf(desired, seen, found, restore)
}

describe("how a relay comes by its identity", () => {
  it.effect.prop(
    "new keys only where neither server nor store knows it",
    [Situation],
    ([situation]) =>
      Effect.sync(() => {
        const { host, record, restore, stored } = situation
        const unknown = record === null && (stored === null || !restore)
        const minted = situated(situation).step === "mint"
        assert.strictEqual(minted, unknown && (host === "absent" || host === "partial"))
      })
  )

  it.effect.prop(
    "nothing that contradicts the server is written or kept as good",
    [Situation],
    ([situation]) =>
      Effect.sync(() => {
        const { host, record } = situation
        const decision = situated(situation)
        if (decision.step === "write" && record !== null) {
          assert.deepEqual(fingerprintsOf(decision.identity), fingerprintsOf(identityAt(record)))
        }
        if (decision.step === "write") assert.isNotNumber(host)
        if (decision.step === "rewrite") assert.isTrue(record === null || record === host)
      })
  )
})
