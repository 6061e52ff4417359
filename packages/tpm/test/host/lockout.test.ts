import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { KeyStore } from "../../src/store/KeyStore.ts"
import { toHex } from "../../src/structures/Hex.ts"
import { runTool } from "../../src/transport/runTool.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { authenticate } from "./Authenticate.ts"
import { holds, relays, storeOn } from "./StoreOnTpm.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"
import { transports } from "./Transports.ts"

/** An index with a password of its own, which counts towards a lockout: Patela defines none like it. */
const GUARDED = "0x01800999"
const read = (password: string) => ["-P", password, "-s", "8", GUARDED]

/** A TPM that allows two wrong tries in all, has the index, and was given three wrong passwords. */
const lockedOut = Effect.gen(function*() {
  const { tcti } = yield* swtpm(yield* newTpmState)
  const run = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
  yield* run("tpm2_dictionarylockout", ["-s", "-n", "2", "-t", "1000", "-l", "1000"])
  yield* run("tpm2_nvdefine", ["-Q", "-C", "o", "-s", "8", "-a", "authread|authwrite", "-p", "right", GUARDED])
  yield* run("tpm2_nvwrite", ["-P", "right", "-i", "-", GUARDED], Redacted.make(new Uint8Array(8)))
  for (let wrong = 0; wrong < 2; wrong += 1) {
    const error = yield* Effect.flip(run("tpm2_nvread", read("wrong")))
    if (error._tag !== "TpmRefused") return assert.fail(error.message)
    assert.deepStrictEqual(error.code, Option.some(0x98e))
  }
  return { tcti, run }
})

describe.each(transports)("a TPM in lockout, by %s", (transport) => {
  it.live("says so, and how to get out of it, to a command that is subject to it", () =>
    Effect.gen(function*() {
      const { run } = yield* lockedOut
      for (const password of ["wrong", "right"]) {
        const error = yield* Effect.flip(run("tpm2_nvread", read(password)))
        assert.strictEqual(error._tag, "TpmLockedOut")
        assert.include(error.message, "tpm2_nvread: the TPM is locked out after wrong authorisations")
        assert.include(error.message, "tpm2_dictionarylockout --clear-lockout")
      }
      yield* run("tpm2_dictionarylockout", ["--clear-lockout"])
      assert.deepStrictEqual(yield* run("tpm2_nvread", read("right")), new Uint8Array(8))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("shows it, and does everything that Patela asks of it all the same", () =>
    Effect.gen(function*() {
      const { run, tcti } = yield* lockedOut
      yield* Effect.gen(function*() {
        const [tpm, store] = [yield* Tpm, yield* KeyStore]
        assert.isTrue((yield* tpm.limits).inLockout)
        const { credential, key } = yield* authenticate
        assert.strictEqual(toHex(Redacted.value(yield* tpm.activateCredential(credential))), toHex(key))
        const entries = relays(12)
        assert.isTrue(Option.isNone(yield* store.header))
        yield* store.write(relays(12))
        yield* store.write(entries)
        yield* holds(entries)
        yield* store.erase
        assert.strictEqual((yield* Effect.flip(run("tpm2_nvread", read("right"))))._tag, "TpmLockedOut")
        assert.isTrue((yield* tpm.limits).inLockout)
      }).pipe(Effect.provide(storeOn(transport, tcti)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is not what a password of the owner leads to, however often Patela tries without it", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const run = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
      yield* Effect.gen(function*() {
        const [tpm, store] = [yield* Tpm, yield* KeyStore]
        yield* store.write(relays(1))
        yield* run("tpm2_dictionarylockout", ["-s", "-n", "2", "-t", "1000", "-l", "1000"])
        yield* run("tpm2_changeauth", ["-c", "o", "secret"])
        for (let time = 0; time < 4; time += 1) {
          for (const error of [yield* Effect.flip(store.header), yield* Effect.flip(store.write(relays(2)))]) {
            if (error._tag !== "TpmRefused") return assert.fail(error.message)
            assert.deepStrictEqual(error.code, Option.some(0x9a2))
            assert.include(error.message, "A hierarchy has a password")
          }
        }
        assert.isFalse((yield* tpm.limits).inLockout)
      }).pipe(Effect.provide(storeOn(transport, tcti)))
    }).pipe(Effect.provide(NodeServices.layer)))
})
