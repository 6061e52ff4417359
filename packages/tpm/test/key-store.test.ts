import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result, Schema } from "effect"
import { digestOf } from "../src/store/KeyStore.ts"
import { payloadOf, RELAY_BYTES, type RelaySecrets, secretsIn } from "../src/store/payload.ts"
import { currentOf, HEADER_BYTES, nextSequence, readHeader, readSlot, type SlotName } from "../src/store/slot.ts"
import { relaysThatFit, writePlan, type WriteStep } from "../src/store/writePlan.ts"
import { failure, numbers } from "./fixtures.ts"

type Memory = Record<SlotName, Uint8Array | undefined>

/** What the TPM does with one step. Memory that was not written yet reads as ones. */
const carryOut = (memory: Memory, slot: SlotName, step: WriteStep): Memory => {
  if (step.step === "undefine") return { ...memory, [slot]: undefined }
  if (step.step === "define") {
    assert.isUndefined(memory[slot])
    return { ...memory, [slot]: new Uint8Array(step.size).fill(0xff) }
  }
  const content = memory[slot]?.slice()
  if (content === undefined) throw new Error("a write into an index that is not there")
  content.set(step.data, step.offset)
  return { ...memory, [slot]: content }
}

const payloadCurrent = ({ a, b }: Memory) => currentOf(readSlot(a), readSlot(b))
const headerCurrent = ({ a, b }: Memory) =>
  currentOf(readHeader(a?.subarray(0, HEADER_BYTES)), readHeader(b?.subarray(0, HEADER_BYTES)))
const digestIn = (current: ReturnType<typeof headerCurrent>): string =>
  current.state === "found" ? current.header.digest : current.state

const save = (memory: Memory, entries: RelaySecrets, nvBufferMax: number) => {
  const payload = Result.getOrThrow(payloadOf(entries))
  const current = payloadCurrent(memory)
  const slot: SlotName = current.state === "found" && current.slot === "a" ? "b" : "a"
  const plan = writePlan({
    payload,
    sequence: nextSequence(readSlot(memory.a), readSlot(memory.b)),
    definedSize: memory[slot]?.length,
    nvBufferMax
  })
  return { slot, steps: [...plan.payload, ...plan.header], digest: payload.digest }
}

const entriesOf = (count: number, seed: number): RelaySecrets => {
  const next = numbers(seed)
  return new Map(Array.from({ length: count }, (_, at) => [
    (at * 0x1000_0001).toString(16).padStart(8, "0"),
    Redacted.make(Uint8Array.from({ length: 192 }, () => next(256)))
  ]))
}

const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 10 })))
const Save = Schema.Struct({ count: Count, seed: Schema.Int, killedAfter: Count })
const Buffer = Schema.Literals([128, 512, 768, 1024])

describe("the key store", () => {
  it.prop(
    "a kill after any step of any save leaves the older or the newer keys",
    [Schema.Array(Save), Buffer],
    ([saves, nvBufferMax]) => {
      let memory: Memory = { a: undefined, b: undefined }
      for (const { count, seed, killedAfter } of saves) {
        const before = digestIn(payloadCurrent(memory))
        const { slot, steps, digest } = save(memory, entriesOf(count, seed), nvBufferMax)
        let kept = memory
        for (const [at, step] of steps.entries()) {
          if (step.step === "write") assert.isAtMost(step.data.length, nvBufferMax)
          const last = at === steps.length - 1
          memory = carryOut(memory, slot, step)
          assert.strictEqual(digestIn(payloadCurrent(memory)), last ? digest : before)
          assert.strictEqual(digestIn(headerCurrent(memory)), last ? digest : before)
          if (at <= killedAfter) kept = memory
        }
        memory = kept
      }
    },
    { arbitrary: { runs: 200 } }
  )

  it.prop(
    "what was saved is read, and the order of the entries makes no difference",
    [Count, Schema.Int],
    ([count, seed]) => {
      const entries = entriesOf(count, seed)
      const payload = Result.getOrThrow(payloadOf(entries))
      assert.strictEqual(payload.bytes.length, count * RELAY_BYTES)
      assert.strictEqual(Result.getOrThrow(digestOf(new Map([...entries].toReversed()))), payload.digest)
      const secrets = secretsIn(payload.bytes)
      for (const [tag, secret] of entries) {
        const found = secrets.get(tag)
        assert.deepStrictEqual(found && Redacted.value(found), Redacted.value(secret))
      }
    }
  )

  it("a damaged bit anywhere in the current slot is noticed", () => {
    const { steps } = save({ a: undefined, b: undefined }, entriesOf(2, 7), 1024)
    const whole = steps.reduce<Memory>((memory, step) => carryOut(memory, "a", step), { a: undefined, b: undefined }).a
    for (let at = 0; at < (whole?.length ?? 0); at += 1) {
      const changed = whole?.slice() ?? new Uint8Array()
      changed[at] = (changed[at] ?? 0) ^ 0x10
      assert.strictEqual(payloadCurrent({ a: changed, b: undefined }).state, "damaged")
      assert.strictEqual(payloadCurrent({ a: changed, b: whole }).state, "found")
    }
  })

  it("refuses a tag that is none, and a secret of another length", () => {
    const secret = Redacted.make(new Uint8Array(192))
    for (const tag of ["brie", "ABCDEF00", "0123456", "012345678"]) {
      assert.strictEqual(failure(payloadOf(new Map([[tag, secret]]))).tag, tag)
    }
    assert.include(failure(payloadOf(new Map([["00000001", Redacted.make(new Uint8Array(191))]]))).message, "191")
  })

  it("knows how many relays fit", () => {
    assert.deepStrictEqual([2048, 1664, 512, 52, 0].map(relaysThatFit), [10, 8, 2, 0, 0])
  })
})
