import { Context, Effect, Layer, Option, Redacted, Result, Semaphore } from "effect"
import { toHex } from "../structures/Hex.ts"
import { Tpm, type TpmLimits } from "../transport/Tpm.ts"
import type { NvIndexAbsent, NvIndexUnwritten, TpmError } from "../transport/TpmError.ts"
import { KeyStoreDamaged, KeyStoreFull, type UnstorableKeys } from "./KeyStoreError.ts"
import { payloadOf, type RelaySecrets, secretsIn } from "./payload.ts"
import { currentOf, type Header, HEADER_BYTES, nextSequence, readHeader, readSlot, type SlotName } from "./slot.ts"
import { relaysThatFit, writePlan, type WriteStep } from "./writePlan.ts"

/**
 * The NV indexes of the two slots. 0x01800000 to 0x01BFFFFF belong to the owner of the machine (TCG Registry of
 * Reserved TPM 2.0 Handles, 2.2.2); 820 recalls port 8020 and keeps away from the low numbers that others take first.
 */
export const slotIndex: Readonly<Record<SlotName, number>> = { a: 0x0180_0820, b: 0x0180_0821 }

export type KeyStoreError = TpmError | KeyStoreDamaged

/** What was read. */
export interface StoredKeys {
  readonly sequence: number
  readonly count: number
  readonly digest: string
  readonly secrets: RelaySecrets
}

/** The digest that the header carries once these keys are saved, to know without a payload whether to save. */
export const digestOf = (entries: RelaySecrets): Result.Result<string, UnstorableKeys> =>
  Result.map(payloadOf(entries), ({ digest }) => digest)

/**
 * The identity keys of the relays in the TPM's NV memory: two slots, and a write goes to the one that is not current,
 * payload first and header last, so that a power cut leaves the older or the newer keys. Nothing saved is Option.none.
 */
export class KeyStore extends Context.Service<KeyStore, {
  /** What the current header says. Two short reads; the payload is not looked at. */
  readonly header: Effect.Effect<Option.Option<Header>, KeyStoreError>
  readonly read: Effect.Effect<Option.Option<StoredKeys>, KeyStoreError>
  /** Replaces everything that is saved. Damage is not written over: see `erase`. */
  readonly write: (
    entries: RelaySecrets
  ) => Effect.Effect<"written" | "unchanged", KeyStoreError | KeyStoreFull | UnstorableKeys>
  /** Removes both slots, and with them every key. Only on an operator's explicit word. */
  readonly erase: Effect.Effect<void, TpmError>
}>()("@patela/tpm/store/KeyStore") {
  static readonly layer = Layer.effect(KeyStore, Effect.suspend(() => make))
}

const damaged = (reason: string): KeyStoreDamaged =>
  new KeyStoreDamaged({
    message: `The key store in the TPM is damaged (${reason}). No relay is started, because tor would make a new ` +
      "identity. If the keys are lost, remove the store with `patela-agent tpm erase-keys` and accept new fingerprints."
  })

const make = Effect.gen(function*() {
  const tpm = yield* Tpm
  const oneAtATime = Semaphore.makeUnsafe(1).withPermit

  const orNothing = (read: Effect.Effect<Uint8Array, TpmError | NvIndexAbsent | NvIndexUnwritten>) =>
    read.pipe(
      Effect.map((bytes): Uint8Array | undefined => bytes),
      Effect.catchTags({
        NvIndexAbsent: () => Effect.succeed(undefined),
        NvIndexUnwritten: () => Effect.succeed(undefined)
      })
    )

  const readBoth = Effect.gen(function*() {
    return {
      a: readSlot(yield* orNothing(tpm.nvRead(slotIndex.a, 0))),
      b: readSlot(yield* orNothing(tpm.nvRead(slotIndex.b, 0)))
    }
  })

  const header = Effect.gen(function*() {
    const a = readHeader(yield* orNothing(tpm.nvRead(slotIndex.a, 0, HEADER_BYTES)))
    const b = readHeader(yield* orNothing(tpm.nvRead(slotIndex.b, 0, HEADER_BYTES)))
    const current = currentOf(a, b)
    if (current.state === "damaged") return yield* damaged(current.reason)
    return current.state === "none" ? Option.none() : Option.some(current.header)
  }).pipe(Effect.withSpan("KeyStore.header"))

  const read = Effect.gen(function*() {
    const { a, b } = yield* readBoth
    const current = currentOf(a, b)
    if (current.state === "damaged") return yield* damaged(current.reason)
    if (current.state === "none") return Option.none()
    const { sequence, count, digest } = current.header
    return Option.some({ sequence, count, digest, secrets: secretsIn(current.payload) })
  }).pipe(Effect.withSpan("KeyStore.read"))

  let known: TpmLimits | undefined
  const limits = Effect.suspend(() => known === undefined ? tpm.limits : Effect.succeed(known)).pipe(
    Effect.tap((found) => Effect.sync(() => known = found))
  )

  const full = (relays: number, fits: number, why: string): KeyStoreFull =>
    new KeyStoreFull({
      relays,
      fits,
      message: `The keys of ${relays} relays do not fit into this TPM: ${why}. ` +
        `${fits} relays fit; lower the number of relays of this node on the server.`
    })

  const absentMeanwhile = (error: NvIndexAbsent) => Effect.fail(damaged(`while writing, ${error.message}`))

  const carryOut =
    (index: number, relays: number, fits: number) =>
    (step: WriteStep): Effect.Effect<void, KeyStoreError | KeyStoreFull> => {
      switch (step.step) {
        case "undefine":
          return Effect.catchTag(tpm.nvUndefine(index), "NvIndexAbsent", () => Effect.void)
        case "define":
          return Effect.catchTag(
            tpm.nvDefine(index, step.size),
            "NvSpaceExhausted",
            (error) => Effect.fail(full(relays, fits, error.message))
          )
        case "write":
          return Effect.catchTag(
            tpm.nvWrite(index, step.offset, Redacted.make(step.data, { label: "key store" })),
            "NvIndexAbsent",
            absentMeanwhile
          )
      }
    }

  const compare = Effect.fnUntraced(function*(index: number, steps: ReadonlyArray<WriteStep>, part: string) {
    for (const step of steps) {
      if (step.step !== "write") continue
      const found = yield* orNothing(tpm.nvRead(index, step.offset, step.data.length))
      if (found === undefined || toHex(found) !== toHex(step.data)) {
        return yield* damaged(`the ${part} read back is not what was written; the keys saved before are untouched`)
      }
    }
  })

  const write = Effect.fn("KeyStore.write")(function*(entries: RelaySecrets) {
    const payload = yield* Effect.fromResult(payloadOf(entries))
    const { nvBufferMax, nvIndexMax } = yield* limits
    const fits = relaysThatFit(nvIndexMax)
    if (payload.count > fits) {
      return yield* full(payload.count, fits, `one NV index holds at most ${nvIndexMax} bytes`)
    }
    const { a, b } = yield* readBoth
    const current = currentOf(a, b)
    if (current.state === "damaged") return yield* damaged(current.reason)
    if (current.state === "found" && current.header.digest === payload.digest) return "unchanged"
    const index = slotIndex[current.state === "found" && current.slot === "a" ? "b" : "a"]
    const defined = yield* tpm.nvPublic(index)
    const plan = writePlan({
      payload,
      sequence: nextSequence(a, b),
      definedSize: Option.getOrUndefined(Option.map(defined, ({ size }) => size)),
      nvBufferMax
    })
    const before = current.state === "found" ? current.header.count : 0
    const apply = carryOut(index, payload.count, Math.min(before, fits))
    yield* Effect.forEach(plan.payload, apply)
    yield* compare(index, plan.payload, "payload")
    yield* Effect.forEach(plan.header, apply)
    yield* compare(index, plan.header, "header")
    return "written"
  })

  const erase = Effect.forEach(
    [slotIndex.a, slotIndex.b],
    (index) => Effect.catchTag(tpm.nvUndefine(index), "NvIndexAbsent", () => Effect.void)
  ).pipe(
    Effect.asVoid,
    Effect.withSpan("KeyStore.erase")
  )

  return KeyStore.of({
    header,
    read: oneAtATime(read),
    write: (entries) => oneAtATime(write(entries)),
    erase: oneAtATime(erase)
  })
})
