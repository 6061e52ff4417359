import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Result } from "effect"
import { randomBytes } from "node:crypto"
import { linkIndex } from "../../src/store/chain.ts"
import { digestOf, KeyStore } from "../../src/store/KeyStore.ts"
import type { RelaySecrets } from "../../src/store/payload.ts"
import { toHex } from "../../src/structures/Hex.ts"
import type { Tcti } from "../../src/transport/Tcti.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { Tpm2Tools } from "../../src/transport/Tpm2Tools.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"

const relays = (count: number): RelaySecrets =>
  new Map(Array.from({ length: count }, (_, at) => [
    at.toString(16).padStart(8, "0"),
    Redacted.make<Uint8Array>(randomBytes(192))
  ]))

const storeOn = (tcti: Tcti) => KeyStore.layer.pipe(Layer.provideMerge(Tpm2Tools.layer({ tcti })))
const freshStore = Layer.unwrap(Effect.gen(function*() {
  return storeOn((yield* swtpm(yield* newTpmState)).tcti)
})).pipe(Layer.provideMerge(NodeServices.layer))

/** Everything that was saved is read back, under the digest that the caller can compute. */
const holds = (entries: RelaySecrets) =>
  Effect.gen(function*() {
    const store = yield* KeyStore
    const header = Option.getOrThrow(yield* store.header)
    const found = Option.getOrThrow(yield* store.read)
    assert.strictEqual(found.count, entries.size)
    assert.strictEqual(header.digest, found.digest)
    assert.strictEqual(header.digest, Result.getOrThrow(digestOf(entries)))
    for (const [tag, secret] of entries) {
      const saved = Option.getOrThrow(Option.fromUndefinedOr(found.secrets.get(tag)))
      assert.strictEqual(toHex(Redacted.value(saved)), toHex(Redacted.value(secret)))
    }
    return header.sequence
  })

describe("the key store in a real TPM", () => {
  it.live("writes, reads, rewrites, and writes nothing when nothing changed", () =>
    Effect.gen(function*() {
      const store = yield* KeyStore
      assert.isTrue(Option.isNone(yield* store.header))
      assert.isTrue(Option.isNone(yield* store.read))
      const three = relays(3)
      assert.strictEqual(yield* store.write(three), "written")
      assert.strictEqual(yield* holds(three), 1)
      assert.strictEqual(yield* store.write(new Map([...three].toReversed())), "unchanged")
      assert.strictEqual(yield* holds(three), 1)
      for (const [at, count] of [3, 10, 10, 1, 0, 4].entries()) {
        const next = relays(count)
        assert.strictEqual(yield* store.write(next), "written")
        assert.strictEqual(yield* holds(next), 2 + at)
      }
      yield* store.erase
      assert.isTrue(Option.isNone(yield* store.read))
    }).pipe(Effect.provide(freshStore)))

  it.live("survives a power cycle", () =>
    Effect.gen(function*() {
      const state = yield* newTpmState
      const entries = relays(5)
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* swtpm(state)
        yield* Effect.flatMap(KeyStore, (store) => store.write(entries)).pipe(Effect.provide(storeOn(tcti)))
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* swtpm(state)
        yield* holds(entries).pipe(Effect.provide(storeOn(tcti)))
      }))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("says how many relays fit, and keeps what it has", () =>
    Effect.gen(function*() {
      const store = yield* KeyStore
      const ten = relays(10)
      yield* store.write(ten)
      const error = yield* Effect.flip(store.write(relays(11)))
      assert.strictEqual(error._tag, "KeyStoreFull")
      assert.include(error.message, "10 relays fit")
      yield* holds(ten)
    }).pipe(Effect.provide(freshStore)))

  it.live("falls back to the older keys when the newer slot is damaged, and says when both are", () =>
    Effect.gen(function*() {
      const store = yield* KeyStore
      const tpm = yield* Tpm
      const [older, newer] = [relays(2), relays(2)]
      yield* store.write(older)
      yield* store.write(newer)
      const scratch = Redacted.make(new Uint8Array(8))
      yield* tpm.nvWrite(linkIndex("b", 0), 100, scratch)
      const found = Option.getOrThrow(yield* store.read)
      assert.strictEqual(found.digest, Result.getOrThrow(digestOf(older)))
      yield* tpm.nvWrite(linkIndex("a", 0), 10, scratch)
      assert.strictEqual((yield* Effect.flip(store.read))._tag, "KeyStoreDamaged")
      assert.strictEqual((yield* Effect.flip(store.write(newer)))._tag, "KeyStoreDamaged")
    }).pipe(Effect.provide(freshStore)))
})
