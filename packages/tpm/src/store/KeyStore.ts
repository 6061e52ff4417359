import { Context, Effect, Layer, Option, Redacted, Result, Semaphore } from "effect"
import { toHex } from "../structures/Hex.ts"
import { isBound, isOwners, isPatelas } from "../transport/nvAttributes.ts"
import { type NvPublic, Tpm, type TpmLimits } from "../transport/Tpm.ts"
import type { TpmError } from "../transport/TpmError.ts"
import { inRange, linkIndex, linksIn, linkSizes, type SlotName } from "./chain.ts"
import {
  KeyStoreDamaged,
  KeyStoreFull,
  KeyStoreObstructed,
  KeyStoreUnmeasured,
  type UnstorableKeys
} from "./KeyStoreError.ts"
import { payloadOf, type RelaySecrets, secretsIn } from "./payload.ts"
import { Sealing } from "./Sealing.ts"
import { type Header, HEADER_BYTES } from "./slot.ts"
import { storedSlots } from "./StoredSlots.ts"
import { relaysThatFit, slotBytesMax, type Stretch, writePlan, type WriteStep } from "./writePlan.ts"

export type KeyStoreError = TpmError | KeyStoreDamaged

/** What was read. */
export interface StoredKeys {
  readonly sequence: number
  /** Of relays. */
  readonly count: number
  readonly families: number
  readonly digest: string
  readonly secrets: RelaySecrets
}

/** The digest that the header carries once these keys are saved, to know without a payload whether to save. */
export const digestOf = (entries: RelaySecrets): Result.Result<string, UnstorableKeys> =>
  Result.map(payloadOf(entries), ({ digest }) => digest)

/**
 * The identity keys of the relays, and those of their families, in the TPM's NV memory: two slots of one NV index or more, and a write goes to the
 * slot that is not current, payload first and header last, so that a power cut leaves the older or the newer keys.
 * Nothing saved is Option.none.
 */
export class KeyStore extends Context.Service<KeyStore, {
  /** What the current header says. Two short reads; the payload is not looked at. */
  readonly header: Effect.Effect<Option.Option<Header>, KeyStoreError>
  readonly read: Effect.Effect<Option.Option<StoredKeys>, KeyStoreError>
  /**
   * Whether keys that are saved lie in indexes of the owner, though there is an image policy to bind them to: `write` with
   * the same keys moves them.
   */
  readonly isToMove: Effect.Effect<boolean, TpmError>
  /**
   * Replaces everything that is saved. Damage is not written over: see `erase`. Where there is an image policy, nothing
   * is left in indexes of the owner.
   */
  readonly write: (
    entries: RelaySecrets
  ) => Effect.Effect<
    "written" | "unchanged",
    KeyStoreError | KeyStoreFull | KeyStoreObstructed | KeyStoreUnmeasured | UnstorableKeys
  >
  /** The NV indexes that the store takes, of both slots, used or left behind by a write that did not end. */
  readonly indexes: Effect.Effect<ReadonlyArray<NvPublic>, TpmError>
  /** Removes every index of both slots, and with them every key. Only on an operator's explicit word. */
  readonly erase: Effect.Effect<void, TpmError>
}>()("@patela/tpm/store/KeyStore") {
  static readonly layer = Layer.effect(KeyStore, Effect.suspend(() => make))
}

const damaged = (reason: string): KeyStoreDamaged =>
  new KeyStoreDamaged({
    message: `The key store in the TPM is damaged (${reason}). No relay is started, because tor would make a new ` +
      "identity. If the keys are lost, remove the store with `patela-agent tpm erase-keys` and accept new fingerprints."
  })

const full = (relays: number, fits: number, kept: number, why: string): KeyStoreFull =>
  new KeyStoreFull({
    relays,
    fits,
    message: `The keys of ${relays} relays do not fit into this TPM: ${why} ` +
      (fits === 0 ? "" : `At least ${fits} fit. `) +
      "Lower the number of relays of this node on the server, or free NV memory of the TPM. " +
      `Nothing was lost: the keys of ${kept} relays that were saved before are still there.`
  })

const obstructed = ({ attributes, index }: NvPublic): KeyStoreObstructed => {
  const handle = `0x${index.toString(16).padStart(8, "0")}`
  return new KeyStoreObstructed({
    index,
    message: `The keys are not saved: NV index ${handle} is one of those that Patela keeps keys in, and something ` +
      `else defined it (attributes 0x${attributes.toString(16)}). Find out what uses it (tpm2_nvreadpublic); if ` +
      `nothing does, remove it with tpm2_nvundefine ${handle}.`
  })
}

const unmeasured = (pcrs: ReadonlyArray<number>): KeyStoreUnmeasured =>
  new KeyStoreUnmeasured({
    message:
      "The keys are not saved: they are to be bound to the booted image, and nothing of it is in the PCRs that it was " +
      `approved by (PCR ${
        pcrs.join(", ")
      } are all zero). Approve it by PCR 4 too, which UEFI measures the image into: ` +
      "`patela-agent tpm status` has the values. Or say --allow-unmeasured if this machine measures nothing. What was " +
      "saved before is still there."
  })

/** The size of an index that is there and has to be made anew. */
const OTHER_KIND = -1

const make = Effect.gen(function*() {
  const tpm = yield* Tpm
  const sealing = yield* Sealing
  const oneAtATime = Semaphore.makeUnsafe(1).withPermit
  const slots = storedSlots(tpm)

  const header = Effect.gen(function*() {
    const current = yield* slots.header
    if (current.state === "damaged") return yield* damaged(current.reason)
    return current.state === "none" ? Option.none() : Option.some(current.header)
  }).pipe(Effect.withSpan("KeyStore.header"))

  const read = Effect.gen(function*() {
    const { current } = yield* slots.look
    if (current.state === "damaged") return yield* damaged(current.reason)
    if (current.state === "none") return Option.none()
    const { sequence, count, families, digest } = current.header
    return Option.some({ sequence, count, families, digest, secrets: secretsIn(current.payload, count) })
  }).pipe(Effect.withSpan("KeyStore.read"))

  let known: TpmLimits | undefined
  const limits = Effect.suspend(() => known === undefined ? tpm.limits : Effect.succeed(known)).pipe(
    Effect.tap((found) => Effect.sync(() => known = found))
  )

  const undefine = (index: number) => Effect.catchTag(tpm.nvUndefine(index), "NvIndexAbsent", () => Effect.void)

  /** Does one step of a plan. `noRoom` says what it means that the TPM has no room for a link. */
  const carryOut =
    (slot: SlotName, noRoom: (link: number, why: string) => KeyStoreFull) =>
    (step: WriteStep): Effect.Effect<void, KeyStoreError | KeyStoreFull> => {
      const index = linkIndex(slot, step.link)
      switch (step.step) {
        case "undefine":
          return undefine(index)
        case "define":
          return Effect.catchTag(
            tpm.nvDefine(index, step.size),
            "NvSpaceExhausted",
            ({ message }) => Effect.fail(noRoom(step.link, message))
          )
        case "write":
          return Effect.catchTag(
            tpm.nvWrite(index, step.offset, Redacted.make(step.data, { label: "key store" })),
            "NvIndexAbsent",
            ({ message }) => Effect.fail(damaged(`while writing, ${message}`))
          )
      }
    }

  const compare = Effect.fnUntraced(function*(slot: SlotName, written: ReadonlyArray<Stretch>, part: string) {
    for (const { data, link, offset } of written) {
      const found = yield* tpm.nvRead(linkIndex(slot, link), offset, data.length).pipe(
        Effect.catchTags({
          NvIndexAbsent: () => Effect.succeed(new Uint8Array()),
          NvIndexUnwritten: () => Effect.succeed(new Uint8Array())
        })
      )
      if (toHex(found) !== toHex(data)) {
        return yield* damaged(`the ${part} read back is not what was written; the keys saved before are untouched`)
      }
    }
  })

  /** Removes what a slot has in indexes of the owner: keys that are bound to an image must not lie beside it unbound. */
  const release = Effect.fnUntraced(function*(slot: SlotName, publics: ReadonlyArray<NvPublic>) {
    for (const { attributes, index } of linksIn(slot, publics).values()) {
      if (isOwners(attributes)) yield* undefine(index)
    }
  })

  const measured = Effect.gen(function*() {
    if (sealing.allowUnmeasured) return
    const values = yield* tpm.imagePcrs
    if ([...values.values()].every((value) => value.every((byte) => byte === 0))) {
      return yield* unmeasured([...values.keys()])
    }
  })

  const write = Effect.fn("KeyStore.write")(function*(entries: RelaySecrets) {
    const payload = yield* Effect.fromResult(payloadOf(entries))
    const { current, next } = yield* slots.look
    if (current.state === "damaged") return yield* damaged(current.reason)
    const same = current.state === "found" && current.header.digest === payload.digest
    const wanted = yield* tpm.nvAttributes
    if (same && !isBound(wanted)) return "unchanged"
    const slot = current.state === "found" && current.slot === "a" ? "b" : "a"
    const other = slot === "a" ? "b" : "a"
    const publics = yield* tpm.nvPublics
    if (same && [...linksIn(other, publics).values()].every(({ attributes }) => !isOwners(attributes))) {
      yield* release(slot, publics)
      return "unchanged"
    }
    if (isBound(wanted)) yield* measured
    const { nvBufferMax, nvIndexMax } = yield* limits
    const kept = current.state === "found" ? current.header.count : 0
    const bytes = HEADER_BYTES + payload.bytes.length
    const most = slotBytesMax(nvIndexMax)
    if (bytes > most) {
      return yield* full(
        payload.count,
        relaysThatFit(most, payload.families),
        kept,
        `a slot takes at most ${most} bytes of it.`
      )
    }
    const sizes = linkSizes(bytes, nvIndexMax)
    const links = linksIn(slot, publics)
    for (const [link, found] of links) {
      if (link < sizes.length && !isPatelas(found.attributes)) return yield* obstructed(found)
    }
    const ours = [...links].filter(([, { attributes }]) => isPatelas(attributes))
    // One that opens by other means has to be made anew, which a size that none has says.
    const defined = new Map(
      ours.map(([link, { attributes, size }]) => [link, isBound(attributes) === isBound(wanted) ? size : OTHER_KIND])
    )
    const plan = writePlan({ payload, sequence: next, defined, nvIndexMax, nvBufferMax })
    const apply = carryOut(slot, (link, why) => {
      const rooms = [sizes.slice(0, link), ours.map(([, { size }]) => size)].map((some) =>
        some.reduce((sum, it) => sum + it, 0)
      )
      return full(payload.count, relaysThatFit(Math.max(...rooms), payload.families), kept, why)
    })
    yield* Effect.forEach(plan.payload.steps, apply)
    yield* compare(slot, plan.payload.written, "payload")
    yield* Effect.forEach(plan.header.steps, apply)
    yield* compare(slot, plan.header.written, "header")
    if (isBound(wanted)) yield* release(other, publics)
    return "written"
  })

  const isToMove = Effect.gen(function*() {
    if (!isBound(yield* tpm.nvAttributes)) return false
    return (yield* tpm.nvPublics).some(({ attributes, index }) => inRange(index) && isOwners(attributes))
  }).pipe(Effect.withSpan("KeyStore.isToMove"))

  const indexes = Effect.map(
    tpm.nvPublics,
    (found) => found.filter(({ attributes, index }) => inRange(index) && isPatelas(attributes))
  ).pipe(Effect.withSpan("KeyStore.indexes"))

  const erase = Effect.gen(function*() {
    const found = yield* indexes
    const current = yield* Effect.orElseSucceed(slots.header, () => ({ state: "none" } as const))
    // The older keys go first: erasing that is cut short must not bring them back.
    const order: ReadonlyArray<SlotName> = current.state === "found" && current.slot === "a" ? ["b", "a"] : ["a", "b"]
    for (const slot of order) {
      for (const { index } of linksIn(slot, found).values()) yield* undefine(index)
    }
  }).pipe(Effect.withSpan("KeyStore.erase"))

  return KeyStore.of({
    header,
    isToMove,
    read: oneAtATime(read),
    write: (entries) => oneAtATime(write(entries)),
    indexes,
    erase: oneAtATime(erase)
  })
})
