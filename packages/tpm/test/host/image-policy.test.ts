import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, Redacted, Ref, Result } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { generateKeyPairSync, type KeyObject } from "node:crypto"
import type { PcrSelection } from "../../src/command/pcr.ts"
import { approveImage, operatorKeyPublic } from "../../src/policy/approveImage.ts"
import type { ImagePolicy } from "../../src/policy/ImagePolicy.ts"
import {
  authorisedPolicy,
  IMAGE_PCRS,
  pcrPolicy,
  POLICY_REFERENCE,
  PROPOSED_PCRS
} from "../../src/policy/policyDigest.ts"
import { KeyStore } from "../../src/store/KeyStore.ts"
import { Sealing } from "../../src/store/Sealing.ts"
import { toHex } from "../../src/structures/Hex.ts"
import { nameOf } from "../../src/structures/Name.ts"
import { isBound, isOwners } from "../../src/transport/nvAttributes.ts"
import { runTool } from "../../src/transport/runTool.ts"
import type { Tcti } from "../../src/transport/Tcti.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { TpmTransport } from "../../src/transport/TpmTransport.ts"
import { changedTpm } from "./ChangedTpm.ts"
import { goBetween } from "./GoBetween.ts"
import { holds, relays } from "./StoreOnTpm.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"

const newKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey

/** PCR 12 to 14 as they are. */
const measurements = Effect.gen(function*() {
  const values = yield* (yield* Tpm).pcrRead(IMAGE_PCRS)
  return IMAGE_PCRS.pcrs.map((pcr) => Option.getOrThrow(Option.fromUndefinedOr(values.get(pcr))))
})

/** A machine with a swtpm, and what the operator of it does. */
const machine = Effect.gen(function*() {
  const state = yield* newTpmState
  const key = newKey()
  const policy = yield* Ref.make(Option.none<ImagePolicy>())
  const tpmOn = (tcti: Tcti) => TpmTransport.layer({ tcti, imagePolicy: Ref.get(policy) })
  const storeOn = (tcti: Tcti, options: { readonly allowUnmeasured?: boolean } = {}) =>
    KeyStore.layer.pipe(
      Layer.provideMerge(tpmOn(tcti)),
      Layer.provide(Layer.succeed(Sealing, { allowUnmeasured: options.allowUnmeasured ?? false }))
    )
  /** Approves what is booted now, beside what was approved before. */
  const approve = (by: KeyObject = key, selection: PcrSelection = IMAGE_PCRS) =>
    Effect.gen(function*() {
      const approved = approveImage(by, yield* (yield* Tpm).pcrRead(selection))
      const before = Option.match(yield* Ref.get(policy), { onNone: () => [], onSome: (it) => it.approved })
      yield* Ref.set(
        policy,
        Option.some({ key: Result.getOrThrow(operatorKeyPublic(key)), approved: [...before, approved] })
      )
    })
  return { state, key, policy, tpmOn, storeOn, approve }
})

const tools = Effect.fnUntraced(function*(tcti: Tcti) {
  return runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
})

/** A boot in which these PCRs are extended, one after the other: each by a digest of one digit. */
const bootMeasuring = Effect.fnUntraced(
  function*(state: string, ...extensions: ReadonlyArray<readonly [pcr: number, digit: string]>) {
    const { pid, tcti } = yield* swtpm(state)
    const run = yield* tools(tcti)
    for (const [pcr, digit] of extensions) yield* run("tpm2_pcrextend", [`${pcr}:sha256=${digit.repeat(64)}`])
    return { pid, tcti, run }
  }
)

/** A boot with an image that measures this. */
const bootWith = (state: string, image: string) => bootMeasuring(state, [12, image])

/** Whose the indexes of the store are. */
const kindsOf = Effect.map(
  Effect.flatMap(KeyStore, (store) => store.indexes),
  (found) => found.map(({ attributes }) => isBound(attributes) ? "bound" : isOwners(attributes) ? "owner's" : "other")
)

describe("a key store that is bound to the image", () => {
  it.live("opens for approved images, not for others, and again once another is approved", () =>
    Effect.gen(function*() {
      const { approve, state, storeOn } = yield* machine
      const entries = relays(12)
      yield* Effect.scoped(Effect.gen(function*() {
        const { run, tcti } = yield* bootWith(state, "a")
        yield* Effect.gen(function*() {
          const store = yield* KeyStore
          yield* approve()
          yield* store.write(entries)
          assert.deepStrictEqual(yield* kindsOf, ["bound", "bound"])
          yield* holds(entries)
          // Neither the owner nor an empty session opens it.
          for (const by of ["o", "0x01800820"]) {
            assert.strictEqual(
              (yield* Effect.flip(run("tpm2_nvread", ["-C", by, "-s", "8", "0x01800820"])))._tag,
              "TpmRefused"
            )
          }
          yield* run("tpm2_pcrextend", [`14:sha256=${"f".repeat(64)}`])
          const error = yield* Effect.flip(store.read)
          assert.strictEqual(error._tag, "TpmPolicyUnmet")
          assert.include(error.message, `--pcr14 ${toHex((yield* measurements)[2] ?? new Uint8Array())}`)
          assert.strictEqual((yield* Effect.flip(store.header))._tag, "TpmPolicyUnmet")
          assert.strictEqual((yield* Effect.flip(store.write(relays(1))))._tag, "TpmPolicyUnmet")
        }).pipe(Effect.provide(storeOn(tcti)))
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* bootWith(state, "b")
        yield* Effect.gen(function*() {
          const store = yield* KeyStore
          assert.strictEqual((yield* Effect.flip(store.read))._tag, "TpmPolicyUnmet")
          // A signature of another key is none.
          yield* approve(newKey())
          assert.strictEqual((yield* Effect.flip(store.read))._tag, "TpmRefused")
        }).pipe(Effect.provide(storeOn(tcti)))
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* bootWith(state, "c")
        yield* Effect.gen(function*() {
          const store = yield* KeyStore
          yield* approve()
          yield* holds(entries)
          const next = relays(20)
          yield* store.write(next)
          yield* holds(next)
          assert.isFalse(yield* store.isToMove)
        }).pipe(Effect.provide(storeOn(tcti)))
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* bootWith(state, "a")
        const store = Effect.flatMap(KeyStore, (it) => it.header)
        assert.strictEqual(Option.getOrThrow(yield* store.pipe(Effect.provide(storeOn(tcti)))).sequence, 2)
      }))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("that is approved by PCR 4 stays closed for a system that extends the others by hand", () =>
    Effect.gen(function*() {
      const { approve, key, policy, state, storeOn } = yield* machine
      const entries = relays(3)
      /** What firmware measures before anything of an image runs, and what anything may extend later. */
      const booted = (image: string, ...later: ReadonlyArray<string>) =>
        bootMeasuring(state, [4, image], ...later.map((digit) => [12, digit] as const))
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* booted("a")
        yield* Effect.gen(function*() {
          const store = yield* KeyStore
          yield* store.write(entries)
          // A plain image leaves them so: a policy of zeros binds to nothing.
          yield* approve()
          const error = yield* Effect.flip(store.write(entries))
          assert.strictEqual(error._tag, "KeyStoreUnmeasured")
          assert.include(error.message, "PCR 12, 13, 14 are all zero")
          yield* Ref.set(policy, Option.none())
          yield* approve(key, PROPOSED_PCRS)
          assert.strictEqual(yield* store.write(entries), "written")
          assert.deepStrictEqual(yield* kindsOf, ["bound"])
          yield* holds(entries)
          assert.deepStrictEqual([...(yield* (yield* Tpm).imagePcrs).keys()], [4, 12, 13, 14])
        }).pipe(Effect.provide(storeOn(tcti)))
      }))
      const opens = (...boot: readonly [string, ...ReadonlyArray<string>]) =>
        Effect.scoped(
          Effect.gen(function*() {
            const { tcti } = yield* booted(...boot)
            return yield* Effect.flatMap(KeyStore, (store) => store.read).pipe(
              Effect.as(true),
              Effect.catchTag("TpmPolicyUnmet", () => Effect.succeed(false)),
              Effect.provide(storeOn(tcti))
            )
          })
        )
      assert.deepStrictEqual([yield* opens("a"), yield* opens("a", "c"), yield* opens("b")], [true, false, false])
      // Without PCR 4 what one image was given is reached by any other, and no approval takes that back.
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* booted("a", "c")
        yield* approve().pipe(Effect.provide(storeOn(tcti)))
      }))
      assert.deepStrictEqual([yield* opens("b"), yield* opens("b", "c")], [false, true])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("has the policy that tpm2-tools compute", () =>
    Effect.gen(function*() {
      const { approve, key, state, storeOn } = yield* machine
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      const { run, tcti } = yield* bootWith(state, "a")
      yield* Effect.gen(function*() {
        yield* approve()
        const policy = pcrPolicy(IMAGE_PCRS, yield* measurements)
        const session = `${directory}/session`
        yield* run("tpm2_startauthsession", ["-S", session])
        yield* run("tpm2_policypcr", ["-S", session, "-l", "sha256:12,13,14", "-L", `${directory}/pcr`])
        assert.strictEqual(toHex(yield* files.readFile(`${directory}/pcr`)), toHex(policy))
        const area = Result.getOrThrow(operatorKeyPublic(key))
        yield* files.writeFile(`${directory}/name`, nameOf(area))
        yield* run("tpm2_flushcontext", [session])
        yield* run("tpm2_startauthsession", ["-S", session])
        yield* run("tpm2_policyauthorize", [
          "-S",
          session,
          "-L",
          `${directory}/authorised`,
          "-n",
          `${directory}/name`,
          "-q",
          toHex(POLICY_REFERENCE)
        ])
        assert.strictEqual(
          toHex(yield* files.readFile(`${directory}/authorised`)),
          toHex(authorisedPolicy(nameOf(area), POLICY_REFERENCE))
        )
        yield* run("tpm2_flushcontext", [session])
      }).pipe(Effect.provide(storeOn(tcti)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is heard no more than one of the owner", () =>
    Effect.gen(function*() {
      const { approve, state, storeOn } = yield* machine
      const { tcti } = yield* bootWith(state, "a")
      const heard: Array<Buffer> = []
      const listen = (_: number, bytes: Buffer) => heard.push(Buffer.from(bytes))
      const between = yield* goBetween(tcti, {
        command: (code, bytes) => {
          listen(code, bytes)
          return "the TPM's"
        },
        response: (code, bytes) => {
          listen(code, bytes)
          return bytes
        }
      })
      const entries = relays(11)
      yield* Effect.gen(function*() {
        yield* approve()
        yield* (yield* KeyStore).write(entries)
        yield* holds(entries)
      }).pipe(Effect.provide(storeOn(between)))
      const all = Buffer.concat(heard)
      assert.isAbove(all.length, 4 * 11 * 192)
      for (const secret of entries.values()) {
        const bytes = Buffer.from(Redacted.value(secret))
        for (let at = 0; at + 8 <= bytes.length; at += 1) assert.isFalse(all.includes(bytes.subarray(at, at + 8)))
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("takes over the keys of a store of the owner, and leaves none of them there", () =>
    Effect.gen(function*() {
      const { approve, policy, state, storeOn } = yield* machine
      const [older, entries] = [relays(25), relays(14)]
      const { tcti } = yield* bootWith(state, "a")
      yield* Effect.gen(function*() {
        const store = yield* KeyStore
        yield* store.write(older)
        yield* store.write(entries)
        assert.isFalse(yield* store.isToMove)
        yield* approve()
        assert.isTrue(yield* store.isToMove)
        yield* holds(entries)
        assert.strictEqual(yield* store.write(entries), "written")
        yield* holds(entries)
        assert.isFalse(yield* store.isToMove)
        assert.deepStrictEqual(yield* kindsOf, ["bound", "bound"])
        assert.strictEqual(yield* store.write(entries), "unchanged")
        yield* store.write(older)
        yield* holds(older)
        // The server tells of no policy any more: nothing opens, and nothing is written over.
        yield* Ref.set(policy, Option.none())
        const lost = yield* Effect.flip(store.read)
        assert.strictEqual(lost._tag, "TpmPolicyUnmet")
        assert.include(lost.message, "the server tells of none")
        assert.strictEqual((yield* Effect.flip(store.write(entries)))._tag, "TpmPolicyUnmet")
      }).pipe(Effect.provide(storeOn(tcti)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is not made of an image that is not approved, nor of one that nothing was measured of", () =>
    Effect.gen(function*() {
      const { approve, state, storeOn } = yield* machine
      const entries = relays(3)
      const { tcti } = yield* swtpm(state)
      yield* Effect.gen(function*() {
        const store = yield* KeyStore
        yield* store.write(entries)
        yield* approve()
        const error = yield* Effect.flip(store.write(entries))
        assert.strictEqual(error._tag, "KeyStoreUnmeasured")
        assert.include(error.message, "--allow-unmeasured")
        yield* holds(entries)
      }).pipe(Effect.provide(storeOn(tcti)))
      yield* Effect.gen(function*() {
        const store = yield* KeyStore
        assert.strictEqual(yield* store.write(entries), "written")
        yield* holds(entries)
      }).pipe(Effect.provide(storeOn(tcti, { allowUnmeasured: true })))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is the old one or the new one after a power cut at any command of the move", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const { approve, state, storeOn, tpmOn } = yield* machine
      const entries = relays(12)
      yield* Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* bootWith(state, "a")
        yield* Effect.gen(function*() {
          const store = yield* KeyStore
          yield* store.write(relays(11))
          yield* store.write(entries)
          yield* approve()
        }).pipe(Effect.provide(storeOn(tcti)))
      }))
      const moved = (life: number) =>
        Effect.scoped(Effect.gen(function*() {
          const copy = yield* newTpmState
          yield* files.copy(state, copy, { overwrite: true })
          const changes = yield* Effect.scoped(Effect.gen(function*() {
            const { pid, tcti } = yield* bootWith(copy, "a")
            let count = 0
            const change = <A, E>(command: Effect.Effect<A, E>) =>
              Effect.suspend(() => {
                count += 1
                return count === life
                  ? Effect.andThen(Effect.sync(() => process.kill(pid, "SIGKILL")), command)
                  : command
              })
            const mortal = changedTpm(change)
            const store = KeyStore.layer.pipe(Layer.provide(mortal), Layer.provide(tpmOn(tcti)))
            yield* Effect.ignore(Effect.flatMap(KeyStore, (it) => it.write(entries)).pipe(Effect.provide(store)))
            return count
          }))
          const { tcti } = yield* bootWith(copy, "a")
          yield* Effect.gen(function*() {
            yield* holds(entries)
            yield* (yield* KeyStore).write(entries)
            yield* holds(entries)
            assert.notInclude(yield* kindsOf, "owner's")
          }).pipe(Effect.provide(storeOn(tcti)))
          return changes
        }))
      const whole = yield* moved(Infinity)
      assert.isAtLeast(whole, 10)
      for (let life = 1; life <= whole; life += 1) yield* moved(life)
    }).pipe(Effect.provide(NodeServices.layer)))
})
