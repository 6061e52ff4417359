import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Result } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { digestOf, KeyStore } from "../../src/store/KeyStore.ts"
import { toHex } from "../../src/structures/Hex.ts"
import { runTool } from "../../src/transport/runTool.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { numbers } from "../fixtures.ts"
import { authenticate } from "../host/Authenticate.ts"
import { changedTpm } from "../host/ChangedTpm.ts"
import { SMALL_BUFFER, smallBuffers } from "../host/SmallBuffers.ts"
import { holds, relays, storeOn } from "../host/StoreOnTpm.ts"
import { newTpmState, swtpm } from "../host/Swtpm.ts"
import { tpmBy, transports } from "../host/Transports.ts"

describe.each(transports)("a key store by %s", (transport) => {
  it.live("lives on a TPM that takes 512 bytes at once", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      yield* Effect.gen(function*() {
        const store = yield* KeyStore
        assert.strictEqual((yield* (yield* Tpm).limits).nvBufferMax, SMALL_BUFFER)
        for (const count of [8, 16, 25]) {
          const entries = relays(count)
          yield* store.write(entries)
          yield* holds(entries)
        }
      }).pipe(Effect.provide(storeOn(transport, yield* smallBuffers(tcti))))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is empty after tpm2_clear in mid-life, the node is the same, and keys are saved anew", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const run = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
      yield* Effect.gen(function*() {
        const [store, tpm] = [yield* KeyStore, yield* Tpm]
        const before = yield* authenticate
        yield* store.write(relays(12))
        yield* store.write(relays(11))
        yield* run("tpm2_clear", ["-c", "p"])
        assert.isTrue(Option.isNone(yield* store.header))
        assert.isTrue(Option.isNone(yield* store.read))
        assert.deepStrictEqual(yield* store.indexes, [])
        // What was saved of keys before the clear is of no use to the TPM: the first try may say so, the next does not.
        yield* Effect.ignore(tpm.activateCredential(before.credential))
        const after = yield* authenticate
        assert.strictEqual(after.ekHex, before.ekHex)
        assert.strictEqual(toHex(Redacted.value(yield* tpm.activateCredential(after.credential))), toHex(after.key))
        const entries = relays(13)
        yield* store.write(entries)
        assert.strictEqual(yield* holds(entries), 1)
      }).pipe(Effect.provide(storeOn(transport, tcti)))
    }).pipe(Effect.provide(NodeServices.layer)))
})

describe("a key store whose TPM is killed 200 times in a row", () => {
  it.live("has the older or the newer keys each time", () =>
    Effect.gen(function*() {
      const state = yield* newTpmState
      let saved = relays(5)
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* swtpm(state)
        yield* Effect.flatMap(KeyStore, (store) => store.write(saved)).pipe(Effect.provide(storeOn("direct", tcti)))
      }))
      const random = numbers(8020)
      const seen = { older: 0, newer: 0 }
      for (let round = 0; round < 200; round += 1) {
        const next = relays(1 + random(29))
        yield* Effect.scoped(Effect.gen(function*() {
          const { pid, tcti } = yield* swtpm(state)
          // The keys of before the last kill are there, whatever it hit.
          const found = yield* Effect.gen(function*() {
            return Option.getOrThrow(yield* (yield* KeyStore).read).digest
          }).pipe(Effect.provide(storeOn("direct", tcti)))
          assert.strictEqual(found, Result.getOrThrow(digestOf(saved)))
          let left = 1 + random(13)
          const change = <A, E>(command: Effect.Effect<A, E>) =>
            Effect.suspend(() => {
              left -= 1
              if (left !== 0) return command
              const kill = Effect.sync(() => process.kill(pid, "SIGKILL")).pipe(Effect.delay(random(2)))
              return Effect.map(Effect.all([command, kill], { concurrency: 2 }), ([it]) => it)
            })
          const mortal = changedTpm(change)
          const store = KeyStore.layer.pipe(Layer.provide(mortal), Layer.provide(tpmBy("direct", tcti)))
          yield* Effect.ignore(Effect.flatMap(KeyStore, (it) => it.write(next)).pipe(Effect.provide(store)))
        }))
        yield* Effect.scoped(Effect.gen(function*() {
          const { tcti } = yield* swtpm(state)
          yield* Effect.gen(function*() {
            const { digest } = Option.getOrThrow(yield* (yield* KeyStore).read)
            const isNewer = digest === Result.getOrThrow(digestOf(next))
            seen[isNewer ? "newer" : "older"] += 1
            if (isNewer) saved = next
            yield* holds(saved)
          }).pipe(Effect.provide(storeOn("direct", tcti)))
        }))
      }
      assert.isAbove(seen.older, 0)
      assert.isAbove(seen.newer, 0)
    }).pipe(Effect.provide(NodeServices.layer)))
})
