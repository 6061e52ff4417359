import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, Result } from "effect"
import { linkIndex } from "../../src/store/chain.ts"
import { digestOf, KeyStore } from "../../src/store/KeyStore.ts"
import type { RelaySecrets } from "../../src/store/payload.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import type { Transport } from "../../src/transport/TpmTransport.ts"
import { changedTpm } from "../host/ChangedTpm.ts"
import { holds, relays, storeOn } from "../host/StoreOnTpm.ts"
import { newTpmState, type Swtpm, swtpm } from "../host/Swtpm.ts"
import { tpmBy, transports } from "../host/Transports.ts"

/** A machine is on with this TPM state, and off again. */
const boot = <A, E, R>(state: string, use: (tpm: Swtpm) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(swtpm(state), use))

/** The same with a TPM of its own. */
const onNewTpm = <A, E>(transport: Transport, use: (tpm: Swtpm) => Effect.Effect<A, E, KeyStore | Tpm>) =>
  Effect.flatMap(
    newTpmState,
    (state) => boot(state, (tpm) => use(tpm).pipe(Effect.provide(storeOn(transport, tpm.tcti))))
  ).pipe(
    Effect.provide(NodeServices.layer)
  )

const write = (entries: RelaySecrets) => Effect.flatMap(KeyStore, (store) => store.write(entries))
const digest = (entries: RelaySecrets) => Result.getOrThrow(digestOf(entries))

/** The sizes of the links of both slots, as the TPM says. */
const links = Effect.gen(function*() {
  const found = new Map((yield* (yield* KeyStore).indexes).map(({ index, size }) => [index, size]))
  const of = (slot: "a" | "b") =>
    [...found].filter(([index]) => index % 2 === linkIndex(slot, 0) % 2).map(([, it]) => it)
  return { a: of("a"), b: of("b") }
})

/** How the power goes: between two commands that change NV memory, or while the next one runs. */
type Cut = "between" | "during"

/** A TPM that is killed when so many commands that change its NV memory were done. */
const mortal = (transport: Transport, pid: number, life: number, cut: Cut) => {
  // A tool takes some milliseconds before it asks, the direct transport asks at once.
  const delay = transport === "tools" ? 8 : life % 2
  let changes = 0
  const kill = Effect.sync(() => process.kill(pid, "SIGKILL"))
  const change = <A, E>(command: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      changes += 1
      if (changes !== life + 1) return command
      return cut === "between"
        ? Effect.andThen(kill, command)
        : Effect.map(Effect.all([command, kill.pipe(Effect.delay(delay))], { concurrency: 2 }), ([it]) => it)
    })
  const layer = changedTpm(change)
  return { layer, changes: () => changes }
}

/** Saves with a TPM whose power goes. Gives how many commands there were. */
const saveUntilCut = (transport: Transport, state: string, entries: RelaySecrets, life: number, cut: Cut) =>
  boot(state, ({ pid, tcti }) => {
    const { changes, layer } = mortal(transport, pid, life, cut)
    const store = KeyStore.layer.pipe(Layer.provide(layer), Layer.provide(tpmBy(transport, tcti)))
    return Effect.map(Effect.result(write(entries).pipe(Effect.provide(store))), (result) => ({
      changes: changes(),
      saved: Result.isSuccess(result)
    }))
  })

describe.each(transports)("a key store over chains of NV indexes, in a real TPM, by %s", (transport) => {
  it.live("saves 64 relays, restores them after a power cycle, and gives back what fewer relays do not need", () =>
    Effect.gen(function*() {
      const state = yield* newTpmState
      const [many, others, few] = [relays(64), relays(64), relays(2)]
      const chain = [2048, 2048, 2048, 2048, 2048, 2048, 308]
      yield* boot(state, ({ tcti }) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* write(many), "written")
          assert.strictEqual(yield* write(many), "unchanged")
          assert.deepStrictEqual(yield* links, { a: chain, b: [] })
        }).pipe(Effect.provide(storeOn(transport, tcti))))
      yield* boot(state, ({ tcti }) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* holds(many), 1)
          assert.strictEqual(yield* write(others), "written")
          assert.deepStrictEqual(yield* links, { a: chain, b: chain })
          assert.strictEqual(yield* holds(others), 2)
          yield* write(few)
          assert.deepStrictEqual(yield* links, { a: [444], b: chain })
          yield* write(relays(1))
          assert.deepStrictEqual(yield* links, { a: [444], b: [248] })
        }).pipe(Effect.provide(storeOn(transport, tcti))))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("erases every index of both slots and no other", () =>
    onNewTpm(transport, () =>
      Effect.gen(function*() {
        const [store, tpm] = [yield* KeyStore, yield* Tpm]
        yield* tpm.nvDefine(0x0180_0700, 10)
        yield* store.write(relays(25))
        yield* store.write(relays(12))
        assert.strictEqual((yield* store.indexes).length, 5)
        yield* store.erase
        assert.deepStrictEqual((yield* tpm.nvPublics).map(({ index }) => index), [0x0180_0700])
        assert.isTrue(Option.isNone(yield* store.header))
      })))

  it.live("says that the TPM is full, keeps what it has, and has room again when others leave", () =>
    onNewTpm(transport, () =>
      Effect.gen(function*() {
        const [store, tpm] = [yield* KeyStore, yield* Tpm]
        const [ten, sixty] = [relays(10), relays(60)]
        yield* store.write(ten)
        // Others take what is left, but for two indexes or so.
        const taken: Array<number> = []
        for (let index = 0x0180_1000; index < 0x0180_1100; index += 1) {
          if (Result.isFailure(yield* Effect.result(tpm.nvDefine(index, 2048)))) break
          taken.push(index)
        }
        const free = taken.splice(-3)
        yield* Effect.forEach(free, (index) => tpm.nvUndefine(index))
        const error = yield* Effect.flip(store.write(sixty))
        if (error._tag !== "KeyStoreFull") return assert.fail(error.message)
        assert.isAtLeast(error.fits, 20)
        assert.include(error.message, "the keys of 10 relays that were saved before are still there")
        yield* holds(ten)
        const fitting = relays(error.fits)
        assert.strictEqual(yield* store.write(fitting), "written")
        yield* holds(fitting)
        yield* Effect.forEach(taken, (index) => tpm.nvUndefine(index))
        yield* store.write(sixty)
        yield* holds(sixty)
      })))

  it.live.each(["between", "during"] as const)(
    "killed %s the commands of a save that shrinks and of one that grows, it has the older or the newer keys",
    (cut) =>
      Effect.gen(function*() {
        const files = yield* FileSystem.FileSystem
        const template = yield* newTpmState
        const [oldest, older, grown] = [relays(25), relays(12), relays(30)]
        yield* boot(template, ({ tcti }) =>
          Effect.gen(function*() {
            yield* write(oldest)
            yield* write(older)
            assert.deepStrictEqual(yield* links, { a: [2048, 2048, 856], b: [2048, 356] })
          }).pipe(Effect.provide(storeOn(transport, tcti))))
        const copy = Effect.gen(function*() {
          const state = yield* newTpmState
          yield* files.copy(template, state, { overwrite: true })
          return state
        })
        for (const next of [relays(14), grown]) {
          const whole = yield* Effect.scoped(
            Effect.flatMap(copy, (state) => saveUntilCut(transport, state, next, Infinity, "between"))
          )
          assert.isTrue(whole.saved)
          assert.isAtLeast(whole.changes, 7)
          for (let life = 0; life < whole.changes; life += 1) {
            yield* Effect.scoped(Effect.gen(function*() {
              const state = yield* copy
              const { changes, saved } = yield* saveUntilCut(transport, state, next, life, cut)
              if (cut === "between") assert.deepStrictEqual([changes, saved], [life + 1, false])
              // A command that was over before its power went is followed by one that has none, if any.
              assert.isAtMost(changes, life + 2)
              yield* boot(state, ({ tcti }) =>
                Effect.gen(function*() {
                  const found = Option.getOrThrow(yield* (yield* KeyStore).read)
                  const last = life === whole.changes - 1
                  if (cut === "between" || !last) assert.strictEqual(found.digest, digest(older))
                  yield* holds(found.digest === digest(next) ? next : older)
                  yield* write(next)
                  yield* holds(next)
                }).pipe(Effect.provide(storeOn(transport, tcti))))
            }))
          }
        }
      }).pipe(Effect.provide(NodeServices.layer))
  )
})
