import { assert, describe, it } from "@effect/vitest"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { createHash, generateKeyPairSync } from "node:crypto"
import { Identities } from "../src/identity/Identities.ts"
import {
  digestOfRelays,
  digestOfStored,
  IdentityStoreReader,
  IdentityStoreWriter,
  type StoredIdentities,
  storeTagOf
} from "../src/identity/IdentityStore.ts"
import { KeyFileReader } from "../src/identity/KeyFileReader.ts"
import { KeyFileWriter } from "../src/identity/KeyFileWriter.ts"
import { fingerprintsOf, identityFromKeyFiles, type RelayIdentity } from "../src/identity/RelayIdentity.ts"
import { SavedIdentities } from "../src/identity/SavedIdentities.ts"
import { TorKeygen } from "../src/identity/TorKeygen.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"
import { noFamilies } from "./NoFamilies.ts"
import { noMonitors } from "./NoMonitors.ts"

const newIdentity = (seed: string): RelayIdentity => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 })
  const hash = createHash("sha512").update(seed).digest()
  // RFC 8032, section 5.1.5: the clamped hash is what tor keeps of an ed25519 key.
  hash[0] = (hash[0] ?? 0) & 0xf8
  hash[31] = ((hash[31] ?? 0) & 0x7f) | 0x40
  return Result.getOrThrow(identityFromKeyFiles({
    ed25519: Redacted.make(Buffer.concat([Buffer.from("== ed25519v1-secret: type0 ==\0\0\0"), hash])),
    rsa: Redacted.make(Buffer.from(`${privateKey.export({ type: "pkcs1", format: "pem" })}\0`))
  }))
}

const NAMES = ["brie", "toma", "fontina", "gouda"].map((name) => RelayName.make(name))
const IDENTITIES = new Map(NAMES.map((name) => [name, newIdentity(name)] as const))
const identityOf = (name: RelayName): RelayIdentity => IDENTITIES.get(name) ?? newIdentity(name)

/** Of each relay: configured or not, named as removed or not, in the store or not. */
const Fate = Schema.Struct({ configured: Schema.Boolean, removed: Schema.Boolean, stored: Schema.Boolean })
const Fates = Schema.Tuple([Fate, Fate, Fate, Fate])

/** A store that holds what was written last, and counts how often that was. */
const storeOf = (initial: StoredIdentities) => {
  let entries = initial
  let writes = 0
  const layer = Layer.merge(
    Layer.succeed(IdentityStoreReader, {
      isToMove: Effect.succeed(false),
      read: Effect.sync(() => entries),
      digest: Effect.sync(() => Option.some(digestOfStored(entries)))
    }),
    Layer.succeed(IdentityStoreWriter, {
      write: (next) =>
        Effect.sync(() => {
          entries = next
          writes++
        })
    })
  )
  return { layer, entries: () => entries, writes: () => writes }
}

const situation = (fates: typeof Fates.Type) => {
  const those = (chosen: (fate: typeof Fate.Type) => boolean) =>
    NAMES.filter((_, index) => {
      const fate = fates[index]
      return fate !== undefined && chosen(fate)
    })
  const configured = those((fate) => fate.configured)
  const store = storeOf(
    new Map(those(({ stored }) => stored).map((name) => [storeTagOf(name), identityOf(name)] as const))
  )
  const layer = Layer.mergeAll(
    noMonitors,
    noFamilies,
    store.layer,
    Layer.succeed(KeyFileReader, {
      look: () => Effect.succeed(new Map()),
      storedDigest: (owners) =>
        Effect.sync(() => digestOfRelays(owners.map(({ name }) => [name, Option.some(identityOf(name))] as const))),
      identity: ({ name }) => Effect.succeed(Option.some(identityOf(name)))
    })
  )
  const base = nodeInput(configured.map((name, slot) => relayAt(slot, name)))
  const input: DesiredInput = { ...base, config: { ...base.config, removed: those(({ removed }) => removed) } }
  return { input, layer, configured, stored: store.entries, writes: store.writes }
}

describe("keys of relays that were taken off the node", () => {
  it.effect.prop(
    "go from the store by that word alone, in one write, and all others stay",
    [Fates],
    ([fates]) =>
      Effect.gen(function*() {
        const { configured, input, layer, stored, writes } = situation(fates)
        const pass = Effect.flatMap(SavedIdentities.plan(input), (plan) => plan.apply(() => true)).pipe(
          Effect.provide(layer)
        )
        for (const outcome of (yield* pass).values()) assert.isTrue(outcome.done)
        assert.isAtMost(writes(), 1)
        NAMES.forEach((name, index) => {
          const fate = fates[index]
          if (fate === undefined) return
          const wanted = fate.configured || (fate.stored && !fate.removed)
          assert.strictEqual(stored().has(storeTagOf(name)), wanted, `${name} of ${configured.join()}`)
        })
        const before = writes()
        assert.strictEqual((yield* pass).size, 0)
        assert.strictEqual(writes(), before)
      })
  )

  it.effect("wait until the relay has stopped", () =>
    Effect.gen(function*() {
      const { input, layer } = situation([
        { configured: false, removed: true, stored: true },
        { configured: true, removed: false, stored: true },
        { configured: false, removed: false, stored: false },
        { configured: false, removed: true, stored: false }
      ])
      const { changes } = yield* Effect.provide(SavedIdentities.plan(input), layer)
      assert.deepStrictEqual(changes.map(({ action, address, needs, scope }) => ({ action, address, needs, scope })), [
        { action: "update", address: "node/key-store/brie", needs: ["relay/brie/unit"], scope: "node" }
      ])
      assert.match(changes[0]?.lines[0] ?? "", /\(sensitive\), for the relay was taken off this node/)
    }))
})

/** gouda, which was called toma, and before that brie. `stored` are the names that the TPM has keys of, all the same ones. */
const renamed = (stored: ReadonlyArray<string>, onHost: boolean, record: "same" | "other" | "none") => {
  const [gouda, toma, brie] = [RelayName.make("gouda"), RelayName.make("toma"), RelayName.make("brie")]
  const identity = identityOf(toma)
  const store = storeOf(new Map(stored.map((name) => [storeTagOf(RelayName.make(name)), identity] as const)))
  const written: Array<RelayIdentity> = []
  const minted: Array<string> = []
  const layer = Layer.mergeAll(
    noMonitors,
    noFamilies,
    store.layer,
    Layer.succeed(KeyFileReader, {
      look: () => Effect.succeed(new Map()),
      storedDigest: () => Effect.succeed(onHost ? digestOfRelays([[gouda, Option.some(identity)]]) : Option.none()),
      identity: () => Effect.succeed(onHost ? Option.some(identity) : Option.none())
    }),
    Layer.succeed(KeyFileWriter, {
      write: (_, next) => Effect.sync(() => void written.push(next)),
      clearDerived: () => Effect.void
    }),
    Layer.succeed(TorKeygen, { make: (name) => Effect.sync(() => void minted.push(name)) })
  )
  const fingerprint = record === "none" ? null : fingerprintsOf(record === "same" ? identity : identityOf(brie))
  const input = nodeInput([{ ...relayAt(0, gouda), formerly: [toma, brie], fingerprint }])
  const has = () => NAMES.filter((name) => store.entries().has(storeTagOf(name))).map(String)
  return { input, layer, has, written, minted, identity }
}

describe("keys of a relay that was renamed", () => {
  it.effect("are restored from under any name that it had, and never from another identity", () =>
    Effect.gen(function*() {
      for (const stored of [["toma"], ["brie"], ["gouda", "toma"]]) {
        for (const record of ["same", "none"] as const) {
          const { identity, input, layer, minted, written } = renamed(stored, false, record)
          const plan = yield* Effect.provide(Identities.plan(input), layer)
          const outcomes = yield* Effect.provide(plan.apply(() => true), layer)
          assert.deepStrictEqual([...outcomes.values()].map(({ done }) => done), [true])
          assert.deepStrictEqual([written, minted], [[identity], []])
        }
      }
      const { input, layer, minted, written } = renamed(["toma"], false, "other")
      const plan = yield* Effect.provide(Identities.plan(input), layer)
      const outcomes = yield* Effect.provide(plan.apply(() => true), layer)
      assert.deepStrictEqual([...outcomes.values()].map(({ done }) => done), [false])
      assert.deepStrictEqual([written, minted], [[], []])
    }))

  it.effect("go to the new name in one write with the old one's, and stay where the new one has none", () =>
    Effect.gen(function*() {
      const pass = Effect.fnUntraced(function*({ input, layer }: ReturnType<typeof renamed>) {
        const plan = yield* Effect.provide(SavedIdentities.plan(input), layer)
        return yield* Effect.provide(plan.apply(() => true), layer)
      })
      const whole = renamed(["toma", "brie"], true, "same")
      for (const outcome of (yield* pass(whole)).values()) assert.isTrue(outcome.done)
      assert.deepStrictEqual(whole.has(), ["gouda"])
      assert.strictEqual((yield* pass(whole)).size, 0)

      const lost = renamed(["toma"], false, "same")
      for (const outcome of (yield* pass(lost)).values()) assert.isFalse(outcome.done)
      assert.deepStrictEqual(lost.has(), ["toma"])
    }))
})
