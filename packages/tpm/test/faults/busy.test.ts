import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, FileSystem, Option, Redacted } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { connect } from "node:net"
import { CommandCode } from "../../src/command/CommandCode.ts"
import { runTool } from "../../src/transport/runTool.ts"
import type { Tcti } from "../../src/transport/Tcti.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import type { Transport } from "../../src/transport/TpmTransport.ts"
import { answeringTpm } from "../host/AnsweringTpm.ts"
import { authenticate } from "../host/Authenticate.ts"
import { characterDevice } from "../host/CharacterDevice.ts"
import { newTpmState, swtpm } from "../host/Swtpm.ts"
import { tpmBy, transports } from "../host/Transports.ts"

const INDEX = 0x0180_0999

/** A TPM with an index that was written. */
const written = Effect.gen(function*() {
  const found = yield* swtpm(yield* newTpmState)
  yield* Effect.gen(function*() {
    const tpm = yield* Tpm
    yield* tpm.nvDefine(INDEX, 8)
    yield* tpm.nvWrite(INDEX, 0, Redacted.make(new Uint8Array(8)))
  }).pipe(Effect.provide(tpmBy("tools", found.tcti)))
  return found
})

const read = (transport: Transport, tcti: Tcti) =>
  Effect.flatMap(Tpm, (tpm) => tpm.nvRead(INDEX, 0, 8)).pipe(Effect.provide(tpmBy(transport, tcti)))

/** Does it as a user whom an exclusive device refuses. A started process and a system call have the same user. */
const asNobody = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => process.seteuid?.(65534)),
    () => effect,
    () => Effect.sync(() => process.seteuid?.(0))
  )

describe.each(transports)("a busy TPM, by %s", (transport) => {
  const command = transport === "tools" ? "tpm2_nvread" : "TPM2_NV_Read"

  it.live("that hangs is given up with what to look for, and serves again when it goes on", () =>
    Effect.gen(function*() {
      const { pid, tcti } = yield* written
      yield* Effect.acquireUseRelease(
        Effect.sync(() => process.kill(pid, "SIGSTOP")),
        () =>
          Effect.gen(function*() {
            const error = yield* Effect.flip(read(transport, tcti))
            assert.strictEqual(error._tag, "TpmTimeout")
            assert.match(error.message, /^(tpm2_nvread|TPM2_NV_ReadPublic) did not end within 10 s and was/)
            assert.include(error.message, "fuser")
          }),
        () => Effect.sync(() => process.kill(pid, "SIGCONT"))
      )
      assert.deepStrictEqual(yield* read(transport, tcti), new Uint8Array(8))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("that serves another client is given up, and serves again when that one leaves", () =>
    Effect.gen(function*() {
      const { tcti } = yield* written
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof connect>>((resume) => {
            const other = connect({ path: tcti.slice("swtpm:path=".length) }, () => {
              // TPM2_GetCapability, so that it is being served and does not merely wait.
              other.write(Buffer.from("8001000000160000017a000000060000010000000001", "hex"))
              other.once("data", () => resume(Effect.succeed(other)))
            })
          }),
          (other) => Effect.sync(() => other.destroy())
        )
        const error = yield* Effect.flip(read(transport, tcti))
        assert.strictEqual(error._tag, "TpmTimeout")
        assert.include(error.message, "Another process may hold the TPM")
      }))
      assert.deepStrictEqual(yield* read(transport, tcti), new Uint8Array(8))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("that refuses is said to, and why", () =>
    Effect.gen(function*() {
      const { tcti } = yield* written
      let code = 0
      let asked = 0
      const answering = yield* answeringTpm(tcti, CommandCode.nvRead, () => {
        asked += 1
        return code
      })
      // Those that a moment helps are tried again: five times by the tools, for ten seconds by us.
      const patient = transport === "tools" ? [0x922, 0x908, 0x90a] : [0x922]
      for (code of [...patient, 0x920, 0x923]) {
        asked = 0
        const error = yield* Effect.flip(read(transport, answering))
        assert.strictEqual(error._tag, "TpmBusy", `0x${code.toString(16)}: ${error.message}`)
        assert.include(error.message, `${command}: the TPM is busy and asks to be tried again`)
        if (patient.includes(code)) assert.isAtLeast(asked, 5)
        else assert.strictEqual(asked, 1)
      }
      code = 0x921
      assert.strictEqual((yield* Effect.flip(read(transport, answering)))._tag, "TpmLockedOut")
      // TPM_RC_FAILURE
      code = 0x101
      assert.include((yield* Effect.flip(read(transport, answering))).message, "power the machine off and on")
      assert.deepStrictEqual(yield* read(transport, tcti), new Uint8Array(8))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("that asks to be tried again is, by whichever code it asks", () =>
    Effect.gen(function*() {
      const { tcti } = yield* written
      for (const code of [0x922, 0x908, 0x90a]) {
        let asked = 0
        const answering = yield* answeringTpm(tcti, CommandCode.nvRead, () => {
          asked += 1
          return asked < 4 ? code : "the TPM's"
        })
        assert.deepStrictEqual(yield* read(transport, answering), new Uint8Array(8))
        assert.strictEqual(asked, 4)
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("whose device is open elsewhere says so", () =>
    Effect.gen(function*() {
      const { tcti } = yield* written
      const device = yield* characterDevice(tcti, true)
      const error = yield* asNobody(Effect.flip(read(transport, device)))
      assert.strictEqual(error._tag, "TpmBusy")
      assert.include(error.message, `${device} is in use by another process`)
    }).pipe(Effect.provide(NodeServices.layer)))
})

describe("a TPM without a resource manager", () => {
  it.live("that is full of another program's objects says so", () =>
    Effect.gen(function*() {
      const { tcti } = yield* written
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      const run = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
      const load = run("tpm2_createek", ["-Q", "-G", "ecc", "-c", `${directory}/ek.ctx`])
      for (let loaded = 0; loaded < 3; loaded += 1) yield* load
      const error = yield* Effect.flip(load)
      if (error._tag !== "TpmRefused") return assert.fail(error.message)
      assert.deepStrictEqual(error.code, Option.some(0x902))
      assert.include(error.message, "use the resource manager, /dev/tpmrm0")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live.each(transports)(
    "that is full of what killed tools left there serves again, by %s",
    (transport) =>
      Effect.gen(function*() {
        const { tcti } = yield* written
        const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
        let asked = yield* Deferred.make<void>()
        const answering = yield* answeringTpm(tcti, CommandCode.nvRead, () => {
          Deferred.doneUnsafe(asked, Effect.void)
          return "nothing"
        })
        // A tool that is killed while the TPM works leaves its session in it; a bare TPM has room for three.
        for (let left = 0; left < 3; left += 1) {
          yield* Effect.scoped(Effect.gen(function*() {
            yield* spawner.spawn(
              ChildProcess.make("tpm2_nvread", ["-C", "o", "-s", "8", "0x01800999"], {
                env: { TPM2TOOLS_TCTI: answering },
                extendEnv: true,
                stderr: "ignore"
              })
            )
            yield* Deferred.await(asked)
          }))
          asked = yield* Deferred.make<void>()
        }
        const run = runTool(spawner, tcti)
        const error = yield* Effect.flip(run("tpm2_nvread", ["-C", "o", "-s", "8", "0x01800999"]))
        if (error._tag !== "TpmRefused") return assert.fail(error.message)
        assert.deepStrictEqual(error.code, Option.some(0x903))
        // Reading takes no session of the direct transport, authenticating does.
        if (transport === "direct") {
          yield* Effect.gen(function*() {
            const { credential } = yield* authenticate
            yield* (yield* Tpm).activateCredential(credential)
          }).pipe(Effect.provide(tpmBy(transport, tcti)))
        }
        assert.deepStrictEqual(yield* read(transport, tcti), new Uint8Array(8))
      }).pipe(Effect.provide(NodeServices.layer))
  )
})
