import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { linkIndex, LINKS_MAX, linkSizes } from "../src/store/chain.ts"
import { digestOf, KeyStore } from "../src/store/KeyStore.ts"
import { FAMILY_BYTES, payloadOf, RELAY_BYTES, type RelaySecrets, secretsIn } from "../src/store/payload.ts"
import { HEADER_BYTES } from "../src/store/slot.ts"
import { relaysThatFit } from "../src/store/writePlan.ts"
import { bytes, failure, numbers } from "./fixtures.ts"
import { bytesAt, type Kind, type Memory, MemoryTpm, sizesIn } from "./MemoryTpm.ts"

/** So many relays, and families among them by their tags. */
const entriesOf = (count: number, seed: number, families = 0): RelaySecrets => {
  const next = numbers(seed)
  const some = (length: number, size: number, first: number) =>
    Array.from({ length }, (_, at) =>
      [
        (at * 0x0100_0001 + first).toString(16).padStart(8, "0"),
        Redacted.make(Uint8Array.from({ length: size }, () => next(256)))
      ] as const)
  return new Map([...some(families, 64, 7), ...some(count, 192, 0)])
}
const digest = (entries: RelaySecrets): string => Result.getOrThrow(digestOf(entries))

const withStore = <A, E>(tpm: MemoryTpm, use: (store: KeyStore["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(KeyStore, use).pipe(Effect.provide(Layer.fresh(KeyStore.layer).pipe(Layer.provide(tpm.layer))))

/** The digest that is current for one who reads everything; the secrets must be what it promises. */
const held = (kind: Kind, memory: Memory) =>
  withStore(new MemoryTpm(kind, memory), (store) =>
    Effect.map(store.read, (found) => {
      if (Option.isSome(found)) assert.strictEqual(digest(found.value.secrets), found.value.digest)
      return Option.getOrElse(Option.map(found, (it) => it.digest), () => "none")
    }))
const headed = (kind: Kind, memory: Memory) =>
  withStore(
    new MemoryTpm(kind, memory),
    (store) => Effect.map(store.header, (found) => Option.getOrElse(Option.map(found, (it) => it.digest), () => "none"))
  )

/** Saves in a TPM that loses its power after so many changes. */
const save = Effect.fnUntraced(function*(kind: Kind, memory: Memory, entries: RelaySecrets, life?: number) {
  const tpm = new MemoryTpm(kind, memory, life)
  const result = yield* withStore(tpm, (store) => Effect.result(store.write(entries)))
  return { result, tpm, memory: tpm.memory }
})

/** A slot has the links that its bytes need and no others. */
const fits = (kind: Kind, memory: Memory, { count, families }: typeof Save.Type, slot: "a" | "b") => {
  const links = [...sizesIn(memory)].filter(([index]) => index % 2 === linkIndex(slot, 0) % 2).toSorted()
  const sizes = linkSizes(HEADER_BYTES + count * RELAY_BYTES + families * FAMILY_BYTES, kind.nvIndexMax)
  assert.deepStrictEqual(links, sizes.map((size, link) => [linkIndex(slot, link), size]))
}
const newestSlot = (kind: Kind, memory: Memory) =>
  Effect.map(
    headed(kind, new Map([...memory].filter(([index]) => index % 2 === 0))),
    (even) => (all: string) => even === all ? "a" : "b"
  )

const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 30 })))
const Save = Schema.Struct({
  count: Count,
  families: Schema.Literals([0, 1, 2, 8]),
  seed: Schema.Int,
  killed: Schema.Int
})
const AnyKind = Schema.Struct({
  nvIndexMax: Schema.Literals([128, 512, 768, 1664, 2048]),
  nvBufferMax: Schema.Literals([64, 512, 768, 1024]),
  room: Schema.Literals([1_000_000]),
  fill: Schema.Literals([0x00, 0xff])
})
const ample: Kind = { nvIndexMax: 2048, nvBufferMax: 1024, room: 1_000_000, fill: 0xff }

/** One relay in the first format: an index of its own size, version 1, sequence 7. Written by the first release. */
const firstFormat = () => {
  const secret = Uint8Array.from({ length: 192 }, (_, at) => at)
  const header = bytes(
    "5041544b0100000100000007000000c47fec3772e33482b7184a840db4798fdf8a306f29028f56e27f48121c9d23a891fcd488cb"
  )
  const memory: Memory = new Map([
    [0x0180_0820, { bytes: Uint8Array.from([...header, 0, 0, 1, 2, ...secret]), written: true }]
  ])
  return { memory, entries: new Map([["00000102", Redacted.make(secret)]]) }
}

describe("the key store", () => {
  it.effect.prop(
    "a kill after any command of any save leaves the older or the newer keys, and the next save succeeds",
    [Schema.Array(Save).pipe(Schema.check(Schema.isMaxLength(4))), AnyKind, Schema.Boolean],
    ([saves, kind, first]) =>
      Effect.gen(function*() {
        let memory: Memory = first ? firstFormat().memory : new Map()
        for (const next of saves) {
          const { count, families, killed, seed } = next
          const entries = entriesOf(count, seed, families)
          const before = yield* held(kind, memory)
          const whole = yield* save(kind, memory, entries)
          assert.isTrue(Result.isSuccess(whole.result))
          assert.strictEqual(yield* held(kind, whole.memory), digest(entries))
          const slotOf = yield* newestSlot(kind, whole.memory)
          if (digest(entries) !== before) fits(kind, whole.memory, next, slotOf(digest(entries)))
          const states: Array<Memory> = [whole.memory]
          for (let life = 0; life < whole.tpm.changes; life += 1) {
            const cut = yield* save(kind, memory, entries, life)
            assert.isTrue(Result.isFailure(cut.result))
            assert.strictEqual(yield* held(kind, cut.memory), before)
            assert.strictEqual(yield* headed(kind, cut.memory), before)
            const again = yield* save(kind, cut.memory, entries)
            assert.strictEqual(yield* held(kind, again.memory), digest(entries))
            assert.strictEqual(yield* headed(kind, again.memory), digest(entries))
            fits(kind, again.memory, next, slotOf(digest(entries)))
            states.push(cut.memory)
          }
          memory = states[Math.abs(killed) % states.length] ?? memory
        }
      }),
    { arbitrary: { runs: 30 } }
  )

  it.effect.prop(
    "a TPM that is full keeps what was saved, and trying again changes nothing in it",
    [Count, Count, AnyKind, Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 6000 })))],
    ([count, more, kind, spare]) =>
      Effect.gen(function*() {
        const older = entriesOf(count, 1)
        const memory = (yield* save(kind, new Map(), older)).memory
        const tight = { ...kind, room: HEADER_BYTES + count * RELAY_BYTES + spare }
        const newer = entriesOf(more, 2)
        const { result, memory: after } = yield* save(tight, memory, newer)
        if (Result.isSuccess(result)) return assert.strictEqual(yield* held(tight, after), digest(newer))
        assert.isAbove(HEADER_BYTES + more * RELAY_BYTES, spare)
        assert.strictEqual(yield* held(tight, after), digest(older))
        assert.strictEqual(yield* headed(tight, after), digest(older))
        if (result.failure._tag !== "KeyStoreFull") return assert.fail(result.failure.message)
        assert.include(result.failure.message, `the keys of ${count} relays that were saved before are still there`)
        const again = yield* save(tight, after, newer)
        assert.deepStrictEqual([again.tpm.changes, again.tpm.refusals], [0, 1])
        if (result.failure.fits === 0) return
        const promised = yield* save(tight, again.memory, entriesOf(result.failure.fits, 3))
        assert.isTrue(Result.isSuccess(promised.result))
      }),
    { arbitrary: { runs: 150 } }
  )

  it.effect("a TPM that is full does not lose the older keys either, where no index must change its size", () =>
    Effect.gen(function*() {
      const kind = { ...ample, nvIndexMax: HEADER_BYTES + 5 * RELAY_BYTES, room: 3 * (HEADER_BYTES + 5 * RELAY_BYTES) }
      const [older, newer] = [entriesOf(5, 1), entriesOf(5, 2)]
      const { memory } = yield* save(kind, (yield* save(kind, new Map(), older)).memory, newer)
      const { memory: after, result } = yield* save(kind, memory, entriesOf(15, 3))
      assert.isTrue(Result.isFailure(result))
      assert.strictEqual(yield* held(kind, after), digest(newer))
      const without = new Map([...after].filter(([index]) => index !== linkIndex("b", 0)))
      assert.strictEqual(yield* held(kind, without), digest(older))
    }))

  it.effect("reads the first format, leaves it while nothing changes, and writes the second beside it", () =>
    Effect.gen(function*() {
      const { entries, memory } = firstFormat()
      assert.strictEqual(yield* held(ample, memory), digest(entries))
      const same = yield* save(ample, memory, entries)
      assert.deepStrictEqual([Result.getOrThrow(same.result), same.tpm.changes], ["unchanged", 0])
      const { memory: after } = yield* save(ample, memory, entriesOf(64, 1))
      assert.deepStrictEqual(bytesAt(after, 0x0180_0820), bytesAt(memory, 0x0180_0820))
      // PATK, version 2, in seven indexes, 64 relays, sequence 8.
      assert.deepStrictEqual(
        bytesAt(after, 0x0180_0821).slice(0, 12),
        bytes("5041544b 02 07 0040 00000008")
      )
      const { memory: both } = yield* save(ample, after, entriesOf(1, 2))
      assert.strictEqual(bytesAt(both, 0x0180_0820)[4], 2)
    }))

  it.effect.prop("erasing cut short leaves the keys that were current or none, and erases when it is done", [
    Count,
    Count
  ], ([one, other]) =>
    Effect.gen(function*() {
      const { memory } = yield* save(
        ample,
        (yield* save(ample, new Map([[0x0180_0700, { bytes: new Uint8Array(3), written: true }]]), entriesOf(one, 1)))
          .memory,
        entriesOf(other, 2)
      )
      const current = yield* held(ample, memory)
      for (let life = 0; life < memory.size - 1; life += 1) {
        const tpm = new MemoryTpm(ample, memory, life)
        assert.isTrue(Result.isFailure(yield* withStore(tpm, (store) => Effect.result(store.erase))))
        assert.include(["none", current], yield* headed(ample, tpm.memory))
      }
      const tpm = new MemoryTpm(ample, memory)
      yield* withStore(tpm, (store) => store.erase)
      assert.deepStrictEqual([...tpm.memory.keys()], [0x0180_0700])
    }), { arbitrary: { runs: 40 } })

  it.effect("an index in its range that something else made is neither written nor removed", () =>
    Effect.gen(function*() {
      const stranger = linkIndex("a", 3)
      const memory: Memory = new Map([[stranger, { bytes: new Uint8Array(9), written: true }]])
      const tpm = new MemoryTpm(ample, memory, Infinity, new Map([[stranger, 0x0004_0004]]))
      yield* withStore(tpm, (store) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* store.write(entriesOf(3, 1)), "written")
          assert.strictEqual(yield* store.write(entriesOf(3, 2)), "written")
          const error = yield* Effect.flip(store.write(entriesOf(64, 3)))
          assert.strictEqual(error._tag, "KeyStoreObstructed")
          assert.include(error.message, "tpm2_nvundefine 0x01800826")
          yield* store.erase
        }))
      assert.deepStrictEqual([...tpm.memory.keys()], [stranger])
    }))

  it.prop(
    "what was saved is read, and the order of the entries makes no difference",
    [Count, Schema.Int, Schema.Literals([0, 1, 8])],
    ([count, seed, families]) => {
      const entries = entriesOf(count, seed, families)
      const payload = Result.getOrThrow(payloadOf(entries))
      assert.deepStrictEqual([payload.count, payload.families], [count, families])
      assert.strictEqual(payload.bytes.length, count * RELAY_BYTES + families * FAMILY_BYTES)
      assert.strictEqual(digest(new Map([...entries].toReversed())), payload.digest)
      const secrets = secretsIn(payload.bytes, payload.count)
      assert.strictEqual(secrets.size, entries.size)
      for (const [tag, secret] of entries) {
        const found = secrets.get(tag)
        assert.deepStrictEqual(found && Redacted.value(found), Redacted.value(secret))
      }
    }
  )

  it.effect("a damaged bit anywhere in the current slot, and a link that is gone, are noticed", () =>
    Effect.gen(function*() {
      const kind = { ...ample, nvIndexMax: 200 }
      const entries = entriesOf(2, 7, 1)
      const { memory } = yield* save(kind, new Map(), entries)
      const beside: Memory = new Map([...memory].map(([index, it]) => [index + 1, it]))
      const noticed = Effect.fnUntraced(function*(changed: Memory) {
        const error = yield* Effect.flip(held(kind, changed))
        assert.strictEqual(error._tag, "KeyStoreDamaged")
        assert.strictEqual(yield* held(kind, new Map([...changed, ...beside])), digest(entries))
      })
      assert.strictEqual(memory.size, 3)
      for (const [index, { bytes }] of memory) {
        for (let at = 0; at < bytes.length; at += 1) {
          const changed = bytes.slice()
          changed[at] = (changed[at] ?? 0) ^ 0x10
          yield* noticed(new Map(memory).set(index, { bytes: changed, written: true }))
        }
        if (index !== linkIndex("a", 0)) yield* noticed(new Map([...memory].filter(([other]) => other !== index)))
      }
    }))

  it.effect("without a family it is written as before, and with one it is version 3, which an older Patela refuses", () =>
    Effect.gen(function*() {
      const plain = yield* save(ample, new Map(), entriesOf(2, 1))
      assert.strictEqual(bytesAt(plain.memory, 0x0180_0820)[4], 2)
      const { memory } = yield* save(ample, plain.memory, entriesOf(2, 1, 2))
      // PATK, version 3, in one index, 2 relays, sequence 2, 2 * 196 + 2 * 68 bytes.
      assert.deepStrictEqual(
        bytesAt(memory, 0x0180_0821).slice(0, 16),
        bytes("5041544b 03 01 0002 00000002 00000210")
      )
      const back = yield* save(ample, memory, entriesOf(2, 1))
      assert.strictEqual(bytesAt(back.memory, 0x0180_0820)[4], 2)
    }))

  it("refuses more families than a length can tell", () => {
    assert.include(failure(payloadOf(entriesOf(1, 1, 9))).message, "more than 8")
  })

  it("refuses a tag that is none, and a secret of another length", () => {
    const secret = Redacted.make(new Uint8Array(192))
    for (const tag of ["brie", "ABCDEF00", "0123456", "012345678"]) {
      assert.strictEqual(failure(payloadOf(new Map([[tag, secret]]))).tag, tag)
    }
    assert.include(failure(payloadOf(new Map([["00000001", Redacted.make(new Uint8Array(191))]]))).message, "191")
  })

  it("has 112 indexes for a slot, none of which is another slot's, and knows how many relays fit", () => {
    const all = (["a", "b"] as const).flatMap((slot) =>
      Array.from({ length: LINKS_MAX }, (_, link) => linkIndex(slot, link))
    )
    assert.deepStrictEqual(new Set(all).size, 224)
    assert.deepStrictEqual([Math.min(...all), Math.max(...all)], [0x0180_0820, 0x0180_08ff])
    assert.deepStrictEqual([linkIndex("a", 0), linkIndex("b", 0)], [0x0180_0820, 0x0180_0821])
    assert.deepStrictEqual([2048, 1664, 512, 52, 0].map((room) => relaysThatFit(room, 0)), [10, 8, 2, 0, 0])
    assert.deepStrictEqual([2048, 1664, 120].map((room) => relaysThatFit(room, 2)), [9, 7, 0])
    assert.deepStrictEqual(linkSizes(52 + 64 * 196, 2048), [2048, 2048, 2048, 2048, 2048, 2048, 308])
  })
})
