import { assert, describe, it } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot, uidOf } from "@patela/domain/relay/Slot"
import { Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { createHash, createPrivateKey, generateKeyPairSync } from "node:crypto"
import { publicPointOf } from "../src/identity/Edwards25519.ts"
import type { HostIdentity } from "../src/identity/HostIdentity.ts"
import {
  decodeStored,
  digestOfStored,
  encodeStored,
  IdentityStoreFailed,
  IdentityStoreReader,
  IdentityStoreWriter,
  type StoredIdentities,
  storeTagOf
} from "../src/identity/IdentityStore.ts"
import { KeyFileReader } from "../src/identity/KeyFileReader.ts"
import {
  fingerprintsOf,
  identityFromBytes,
  identityFromKeyFiles,
  keyFilesOf,
  type RelayIdentity
} from "../src/identity/RelayIdentity.ts"
import { type DesiredIdentity, restorationOf } from "../src/identity/Restoration.ts"
import { SavedIdentities } from "../src/identity/SavedIdentities.ts"
import { noMonitors } from "./NoMonitors.ts"

const get = <A, E>(result: Result.Result<A, E>): A => Result.getOrThrow(result)
const secret = (bytes: Uint8Array) => Redacted.make(bytes)

/** RFC 8032, section 5.1.5: what tor keeps of an ed25519 key is the hash of its seed, clamped. */
const expanded = (seed: Uint8Array): Uint8Array => {
  const hash = createHash("sha512").update(seed).digest()
  hash[0] = (hash[0] ?? 0) & 0xf8
  hash[31] = ((hash[31] ?? 0) & 0x7f) | 0x40
  return hash
}

const newKeyFiles = () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 })
  const ed25519 = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })
  const seed = Buffer.from(ed25519.d ?? "", "base64url")
  return {
    publicPoint: Buffer.from(ed25519.x ?? "", "base64url"),
    files: {
      ed25519: secret(Buffer.concat([Buffer.from("== ed25519v1-secret: type0 ==\0\0\0"), expanded(seed)])),
      rsa: secret(Buffer.from(`${privateKey.export({ type: "pkcs1", format: "pem" })}\0`))
    }
  }
}

const newIdentity = (): RelayIdentity => get(identityFromKeyFiles(newKeyFiles().files))
const IDENTITIES = Array.from({ length: 4 }, newIdentity)
const Pick = Schema.Literals([0, 1, 2, 3])
const identityAt = (index: number): RelayIdentity => IDENTITIES[index] ?? newIdentity()

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
      const result = identityFromKeyFiles({ ed25519, rsa: secret(damaged) })
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
      assert.isTrue(Result.isFailure(decodeStored(secret(bytes.subarray(0, length)))))
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
    record: record === null ? null : fingerprintsOf(identityAt(record))
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

const NAMES = ["brie", "toma", "fontina"].map((name) => RelayName.make(name))
const Relay = Schema.Struct({ host: Schema.NullOr(Pick), stored: Schema.NullOr(Pick), record: Schema.NullOr(Pick) })
const Relays = Schema.Tuple([Relay, Relay, Relay])
const STRANGER = storeTagOf(RelayName.make("gone"))
const V4 = Ipv4.make("192.0.2.1")

/** A node whose store also keeps the key of a relay that is no longer configured; `full` refuses every write. */
const simulate = (relays: typeof Relays.Type, full = false) => {
  const hosts = new Map(NAMES.map((name, index) => [name, relays[index]?.host ?? null] as const))
  const before = new Map(NAMES.flatMap((name, index) => {
    const stored = relays[index]?.stored ?? null
    return stored === null ? [] : [[storeTagOf(name), identityAt(stored)] as const]
  }))
  let entries: StoredIdentities = before.set(STRANGER, identityAt(3))
  let writes = 0
  const layer = Layer.mergeAll(
    noMonitors,
    Layer.succeed(IdentityStoreReader, {
      read: Effect.sync(() => entries),
      digest: Effect.sync(() => Option.some(digestOfStored(entries)))
    }),
    Layer.succeed(IdentityStoreWriter, {
      write: (next) =>
        full
          ? Effect.fail(new IdentityStoreFailed({ reason: "full", message: "the TPM has no room" }))
          : Effect.sync(() => {
            entries = next
            writes++
          })
    }),
    Layer.succeed(KeyFileReader, {
      look: () => Effect.succeed(new Map()),
      identity: ({ name }) => Effect.sync(() => Option.map(Option.fromNullOr(hosts.get(name) ?? null), identityAt))
    })
  )
  const input: DesiredInput = {
    configIsNew: false,
    facts: { cpus: 2, memory: 2 ** 32, relayInterface: { found: true, name: "ens0" } },
    config: {
      geoip: false,
      test_network: false,
      generation: 1,
      removed: [],
      network: { gateway_v4: V4, gateway_v6: null, prefix_v4: 24, prefix_v6: null, dns: [], pools: [] },
      relays: NAMES.map((name, index) => {
        const record = relays[index]?.record ?? null
        const fingerprint = record === null ? null : fingerprintsOf(identityAt(record))
        const fixed = { ip_v4: V4, ip_v6: null, or_port: 9001, dir_port: null, torrc: "" }
        return { name, slot: Slot.make(index), fingerprint, ...fixed }
      })
    }
  }
  const pass = Effect.flatMap(SavedIdentities.plan(input), (plan) => plan.apply(() => true)).pipe(Effect.provide(layer))
  const left = Effect.map(SavedIdentities.plan(input), ({ changes }) => changes.map(({ address }) => address)).pipe(
    Effect.provide(layer)
  )
  return { pass, left, stored: () => entries, writes: () => writes }
}

describe("the key store, by the laws of every kind", () => {
  it.effect.prop(
    "one write saves what may be saved, and the rest fails alone",
    [Relays],
    ([relays]) =>
      Effect.gen(function*() {
        const { left, pass, stored, writes } = simulate(relays)
        const outcomes = yield* pass
        const failed = [...outcomes].filter(([, outcome]) => !outcome.done).map(([address]) => address)
        assert.deepEqual([...(yield* left)].sort(), failed.sort())
        assert.isAtMost(writes(), 1)
        const saved = writes()
        yield* pass
        assert.strictEqual(writes(), saved)
        assert.strictEqual(stored().get(STRANGER), identityAt(3))
        NAMES.forEach((name, index) => {
          const relay = relays[index]
          const kept = stored().get(storeTagOf(name))
          if (relay === undefined) return
          const { host, record, stored: before } = relay
          // A key is overwritten only by the one that the server has on record.
          const right = host !== null && (before === null || record === host) ? host : before
          assert.strictEqual(kept, right === null ? undefined : identityAt(right))
        })
      })
  )

  it.effect.prop(
    "a store that is full fails with its own words and loses nothing",
    [Relays],
    ([relays]) =>
      Effect.gen(function*() {
        const { pass, stored } = simulate(relays, true)
        const before = digestOfStored(stored())
        for (const outcome of (yield* pass).values()) assert.isFalse(outcome.done)
        assert.strictEqual(digestOfStored(stored()), before)
      })
  )
})
