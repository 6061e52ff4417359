import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Effect, FileSystem, Layer, Redacted, Result } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { randomBytes } from "node:crypto"
import { toHex } from "../../src/structures/Hex.ts"
import { isPatelas } from "../../src/transport/nvAttributes.ts"
import { defaultTcti, tctiOf } from "../../src/transport/Tcti.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import type { Transport } from "../../src/transport/TpmTransport.ts"
import { authenticate } from "./Authenticate.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"
import { tpmBy, transports } from "./Transports.ts"

const kinds: ReadonlyArray<EndorsementKeyKind> = ["ecc-p256", "rsa-2048", "ecc-p384"]
const INDEX = 0x0180_0999

/** A new TPM for one test. */
const freshTpm = (transport: Transport, endorsementKey?: EndorsementKeyKind) =>
  Layer.unwrap(Effect.gen(function*() {
    const { tcti } = yield* swtpm(yield* newTpmState)
    return tpmBy(transport, tcti, endorsementKey)
  })).pipe(Layer.provideMerge(NodeServices.layer))

describe.each(transports)("a real TPM by %s", (transport) => {
  it.live.each(kinds)("activates our credential, endorsement key %s", (kind) =>
    Effect.gen(function*() {
      const tpm = yield* Tpm
      for (let round = 0; round < 3; round += 1) {
        const made = yield* authenticate
        assert.strictEqual(made.kind, kind)
        const opened = yield* tpm.activateCredential(made.credential)
        assert.strictEqual(toHex(Redacted.value(opened)), toHex(made.key))
        assert.notInclude(String(opened), toHex(made.key))
      }
    }).pipe(Effect.provide(freshTpm(transport, kind))))

  it.live("refuses a changed credential and opens a good one after many refusals", () =>
    Effect.gen(function*() {
      const tpm = yield* Tpm
      const made = yield* authenticate
      for (let round = 0; round < 4; round += 1) {
        const changed = made.credential.blob.slice()
        changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
        const error = yield* Effect.flip(tpm.activateCredential({ ...made.credential, blob: changed }))
        assert.strictEqual(error._tag, "TpmRefused")
        assert.include(error.message, "made for another TPM or key")
      }
      const cut = yield* Effect.flip(
        tpm.activateCredential({ ...made.credential, blob: made.credential.blob.slice(1) })
      )
      assert.strictEqual(cut._tag, "MalformedStructure")
      const opened = yield* tpm.activateCredential(made.credential)
      assert.strictEqual(toHex(Redacted.value(opened)), toHex(made.key))
    }).pipe(Effect.provide(freshTpm(transport))))

  it.live("has the same keys after a power cycle, and leaves nothing in the TPM", () =>
    Effect.gen(function*() {
      const state = yield* newTpmState
      const boot = Effect.scoped(Effect.gen(function*() {
        const { tcti } = yield* swtpm(state)
        return yield* Effect.gen(function*() {
          const tpm = yield* Tpm
          const { ekHex, ak, credential } = yield* authenticate
          yield* tpm.activateCredential(credential)
          assert.deepStrictEqual(yield* tpm.persistentHandles, [])
          return [ekHex, toHex(ak.public), toHex(ak.name)]
        }).pipe(Effect.provide(tpmBy(transport, tcti)))
      }))
      assert.deepStrictEqual(yield* boot, yield* boot)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("makes room when a killed process left its objects behind", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      const leave = spawner.exitCode(
        ChildProcess.make("tpm2_createek", ["-Q", "-G", "ecc", "-c", `${directory}/left.ctx`], {
          env: { TPM2TOOLS_TCTI: tcti },
          extendEnv: true
        })
      )
      for (let left = 0; left < 3; left += 1) assert.strictEqual(Number(yield* leave), 0)
      yield* Effect.gen(function*() {
        const { credential } = yield* authenticate
        yield* (yield* Tpm).activateCredential(credential)
      }).pipe(Effect.provide(tpmBy(transport, tcti)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("reads and writes NV, and tells absent from unwritten from full", () =>
    Effect.gen(function*() {
      const tpm = yield* Tpm
      assert.deepStrictEqual(yield* tpm.nvPublics, [])
      assert.strictEqual((yield* Effect.flip(tpm.nvRead(INDEX, 0)))._tag, "NvIndexAbsent")
      assert.strictEqual((yield* Effect.flip(tpm.nvUndefine(INDEX)))._tag, "NvIndexAbsent")
      const data = new Uint8Array(randomBytes(2048))
      assert.strictEqual((yield* Effect.flip(tpm.nvWrite(INDEX, 0, Redacted.make(data))))._tag, "NvIndexAbsent")
      assert.strictEqual((yield* Effect.flip(tpm.nvDefine(INDEX, 4000)))._tag, "NvSpaceExhausted")
      yield* tpm.nvDefine(INDEX, 2048)
      assert.strictEqual((yield* Effect.flip(tpm.nvRead(INDEX, 0, 10)))._tag, "NvIndexUnwritten")
      yield* tpm.nvWrite(INDEX, 0, Redacted.make(data))
      assert.strictEqual(toHex(yield* tpm.nvRead(INDEX, 0)), toHex(data))
      assert.strictEqual(toHex(yield* tpm.nvRead(INDEX, 1000, 48)), toHex(data.subarray(1000, 1048)))
      assert.strictEqual((yield* Effect.flip(tpm.nvRead(INDEX, 0, 3000)))._tag, "TpmRefused")
      yield* tpm.nvDefine(INDEX + 1, 7)
      const [found, unwritten] = yield* tpm.nvPublics
      assert.deepStrictEqual(found, { index: INDEX, size: 2048, attributes: found?.attributes ?? 0, written: true })
      assert.isTrue(isPatelas(found?.attributes ?? 0))
      assert.deepStrictEqual(unwritten, { index: INDEX + 1, size: 7, attributes: 0x0202_0002, written: false })
      yield* tpm.nvUndefine(INDEX)
      yield* tpm.nvUndefine(INDEX + 1)
      assert.deepStrictEqual(yield* tpm.nvPublics, [])
      const limits = yield* tpm.limits
      assert.deepStrictEqual(limits, { nvBufferMax: 1024, nvIndexMax: 2048, manufacturer: "IBM", inLockout: false })
    }).pipe(Effect.provide(freshTpm(transport))))

  it.live("says that there is no TPM, and what to do", () =>
    Effect.gen(function*() {
      const socket = Result.getOrThrow(tctiOf("swtpm:path=/nonexistent/socket"))
      const missing = Result.getOrThrow(tctiOf("/dev/tpm-that-is-not-there"))
      for (
        const tcti of [
          socket,
          missing,
          ...((yield* (yield* FileSystem.FileSystem).exists("/dev/tpmrm0")) ? [] : [defaultTcti])
        ]
      ) {
        yield* Effect.gen(function*() {
          const tpm = yield* Tpm
          for (
            const use of [
              tpm.endorsementKey,
              tpm.nvRead(INDEX, 0),
              tpm.limits,
              tpm.nvWrite(INDEX, 0, Redacted.make(new Uint8Array(1000)))
            ]
          ) {
            const error = yield* Effect.flip<unknown, { readonly _tag: string; readonly message: string }, never>(use)
            assert.strictEqual(error._tag, "TpmAbsent")
            assert.include(error.message, "--tpm2")
          }
        }).pipe(Effect.provide(tpmBy(transport, tcti)))
      }
    }).pipe(Effect.provide(NodeServices.layer)))
})
