import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Result } from "effect"
import { linkIndex } from "../../src/store/chain.ts"
import { digestOf, KeyStore } from "../../src/store/KeyStore.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import type { Transport } from "../../src/transport/TpmTransport.ts"
import { holds, relays, storeOn, withFamilies } from "./StoreOnTpm.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"
import { transports } from "./Transports.ts"

const freshStore = (transport: Transport) =>
  Layer.unwrap(Effect.gen(function*() {
    return storeOn(transport, (yield* swtpm(yield* newTpmState)).tcti)
  })).pipe(Layer.provideMerge(NodeServices.layer))

describe.each(transports)("the key store in a real TPM, by %s", (transport) => {
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
        // 8 relays and two families are in one index of a swtpm, ten in two.
        const next = at % 2 === 0 ? relays(count) : withFamilies(relays(count))
        assert.strictEqual(yield* store.write(next), "written")
        assert.strictEqual(yield* holds(next), 2 + at)
      }
      yield* store.erase
      assert.isTrue(Option.isNone(yield* store.read))
    }).pipe(Effect.provide(freshStore(transport))))

  it.live("survives a power cycle", () =>
    Effect.gen(function*() {
      const state = yield* newTpmState
      const entries = withFamilies(relays(8))
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* swtpm(state)
        yield* Effect.flatMap(KeyStore, (store) => store.write(entries)).pipe(Effect.provide(storeOn(transport, tcti)))
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* swtpm(state)
        yield* holds(entries).pipe(Effect.provide(storeOn(transport, tcti)))
      }))
    }).pipe(Effect.provide(NodeServices.layer)))

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
    }).pipe(Effect.provide(freshStore(transport))))
})
