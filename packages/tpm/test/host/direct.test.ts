import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Deferred, Effect, Fiber, FileSystem, Redacted, Result } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { TestClock } from "effect/testing"
import { randomBytes } from "node:crypto"
import { CommandCode } from "../../src/command/CommandCode.ts"
import { Algorithm } from "../../src/structures/Algorithm.ts"
import { toHex } from "../../src/structures/Hex.ts"
import { runTool } from "../../src/transport/runTool.ts"
import { Tcti } from "../../src/transport/Tcti.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { TpmTransport } from "../../src/transport/TpmTransport.ts"
import { authenticate } from "./Authenticate.ts"
import { characterDevice } from "./CharacterDevice.ts"
import { goBetween, refusal } from "./GoBetween.ts"
import { SMALL_BUFFER, smallBuffers } from "./SmallBuffers.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"
import { tpmBy, transports } from "./Transports.ts"

const kinds: ReadonlyArray<EndorsementKeyKind> = ["ecc-p256", "rsa-2048", "ecc-p384"]
const INDEX = 0x0180_0999

/** An authentication: both keys are asked for, and a credential is opened. */
const authenticated = Effect.gen(function*() {
  const { credential, ekHex, ak, key } = yield* authenticate
  const opened = yield* (yield* Tpm).activateCredential(credential)
  assert.strictEqual(toHex(Redacted.value(opened)), toHex(key))
  return [ekHex, toHex(ak.public), toHex(ak.name)]
})

/** Turns of the event loop, in which the ends of connections are heard: who speaks before speaks to a TPM that is gone. */
const heardOut = Effect.promise(async () => {
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
})

/** What is loaded in a TPM, by tpm2-tools. */
const loadedIn = Effect.fnUntraced(function*(tcti: Tcti) {
  const run = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
  const text = yield* Effect.forEach(
    ["handles-transient", "handles-loaded-session", "handles-saved-session"],
    (handles) => run("tpm2_getcap", [handles])
  )
  return Buffer.concat(text).toString()
})

describe("a TPM without tpm2-tools", () => {
  it.live.each(kinds)("makes the very keys that tpm2-tools make, endorsement key %s", (kind) =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const [tools, direct] = yield* Effect.forEach(
        transports,
        (transport) => authenticated.pipe(Effect.provide(tpmBy(transport, tcti, kind)))
      )
      assert.deepStrictEqual(direct, tools)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("serves a character device as well as a socket", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const data = new Uint8Array(randomBytes(2048))
      yield* Effect.gen(function*() {
        const tpm = yield* Tpm
        yield* authenticated
        yield* tpm.nvDefine(INDEX, 2048)
        yield* tpm.nvWrite(INDEX, 0, Redacted.make(data))
        assert.strictEqual(toHex(yield* tpm.nvRead(INDEX, 0)), toHex(data))
        assert.strictEqual((yield* Effect.flip(tpm.nvRead(INDEX + 1, 0)))._tag, "NvIndexAbsent")
      }).pipe(Effect.provide(tpmBy("direct", yield* characterDevice(tcti))))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("makes each primary key once in an authentication, and loads it for the next", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const asked: Array<number> = []
      const between = yield* goBetween(tcti, {
        command: (code) => {
          asked.push(code)
          return "the TPM's"
        }
      })
      const made = () => asked.filter((code) => code === CommandCode.createPrimary).length
      yield* Effect.gen(function*() {
        yield* authenticated
        assert.strictEqual(made(), 2)
        yield* authenticated
        assert.strictEqual(made(), 2)
      }).pipe(Effect.provide(tpmBy("direct", between)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("leaves nothing in it, wherever it is interrupted", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const { credential } = yield* authenticate.pipe(Effect.provide(tpmBy("direct", tcti)))
      let count = 0
      let stopAt = Infinity
      let reached = yield* Deferred.make<void>()
      const between = yield* goBetween(tcti, {
        command: () => {
          count += 1
          if (count === stopAt) Deferred.doneUnsafe(reached, Effect.void)
          return "the TPM's"
        }
      })
      const activation = Effect.gen(function*() {
        const tpm = yield* Tpm
        yield* tpm.endorsementKey
        yield* tpm.activateCredential(credential)
        yield* tpm.quote(new Uint8Array(32), { bank: Algorithm.sha256, pcrs: [0] })
      }).pipe(Effect.provide(tpmBy("direct", between)))
      yield* activation
      const commands = count
      assert.isAtLeast(commands, 16)
      for (stopAt = 1; stopAt <= commands; stopAt += 1) {
        count = 0
        reached = yield* Deferred.make<void>()
        const running = yield* Effect.forkChild(activation)
        yield* Deferred.await(reached)
        yield* Fiber.interrupt(running)
        assert.strictEqual(yield* loadedIn(tcti), "", `interrupted at command ${stopAt}`)
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("leaves nothing in it, whichever command is refused", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const { credential } = yield* authenticate.pipe(Effect.provide(tpmBy("direct", tcti)))
      let count = 0
      let refuseAt = Infinity
      const between = yield* goBetween(tcti, {
        command: () => {
          count += 1
          return count === refuseAt ? refusal(0x0101) : "the TPM's"
        }
      })
      const activation = Effect.flatMap(Tpm, (tpm) => tpm.activateCredential(credential)).pipe(
        Effect.provide(tpmBy("direct", between))
      )
      yield* activation
      const commands = count
      // A context that is not saved, and what is flushed at the end, fail nobody. Not to know which key is certified does.
      let failures = 0
      for (refuseAt = 1; refuseAt <= commands - 3; refuseAt += 1) {
        count = 0
        const result = yield* Effect.result(activation)
        if (Result.isFailure(result)) {
          failures += 1
          assert.strictEqual(result.failure._tag, "TpmRefused")
        }
        assert.strictEqual(yield* loadedIn(tcti), "", `refused at command ${refuseAt}`)
      }
      assert.strictEqual(failures, 7)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("goes on after a power cycle, and after the connection was lost in the middle of a command", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const [state, sockets] = [yield* newTpmState, yield* files.makeTempDirectoryScoped()]
      const boot = swtpm(state, sockets)
      let fate: "the TPM's" | "cut" = "the TPM's"
      const first = yield* Effect.forkChild(Effect.scoped(Effect.andThen(boot, Effect.never)))
      while (!(yield* files.exists(`${sockets}/s.ctrl`))) yield* Effect.sleep("10 millis")
      const between = yield* goBetween(Tcti.make(`swtpm:path=${sockets}/s`), { command: () => fate })
      yield* Effect.gen(function*() {
        const tpm = yield* Tpm
        const keys = yield* authenticated
        yield* Fiber.interrupt(first)
        yield* heardOut
        yield* Effect.scoped(Effect.gen(function*() {
          yield* boot
          assert.deepStrictEqual(yield* authenticated, keys)
          fate = "cut"
          const error = yield* Effect.flip(tpm.limits)
          assert.strictEqual(error._tag, "TpmAbsent")
          assert.include(error.message, "went away before it answered TPM2_GetCapability")
          fate = "the TPM's"
          assert.deepStrictEqual(yield* authenticated, keys)
        }))
      }).pipe(Effect.provide(tpmBy("direct", between)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("holds one thread at most where a device hangs, and serves again when it goes on", () =>
    Effect.gen(function*() {
      const { pid, tcti } = yield* TestClock.withLive(swtpm(yield* newTpmState))
      let arrived = 0
      const first = yield* Deferred.make<void>()
      const between = yield* goBetween(tcti, {
        command: () => {
          arrived += 1
          Deferred.doneUnsafe(first, Effect.void)
          return "the TPM's"
        }
      })
      yield* Effect.gen(function*() {
        const tpm = yield* Tpm
        const givenUp = Effect.fnUntraced(function*(before: Effect.Effect<void>) {
          const asking = yield* Effect.forkChild(Effect.flip(tpm.limits))
          yield* before
          yield* TestClock.adjust("10 seconds")
          const error = yield* Fiber.join(asking)
          assert.strictEqual(error._tag, "TpmTimeout")
        })
        yield* Effect.acquireUseRelease(
          Effect.sync(() => process.kill(pid, "SIGSTOP")),
          () => Effect.andThen(givenUp(Deferred.await(first)), givenUp(Effect.yieldNow)),
          () => Effect.sync(() => process.kill(pid, "SIGCONT"))
        )
        assert.strictEqual(arrived, 1)
        assert.strictEqual((yield* tpm.limits).manufacturer, "IBM")
      }).pipe(Effect.provide(tpmBy("direct", yield* characterDevice(between).pipe(TestClock.withLive))))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("keeps the endorsement key and loses what the owner had when it is cleared in mid-life", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const run = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
      yield* Effect.gen(function*() {
        const tpm = yield* Tpm
        const keys = yield* authenticated
        yield* tpm.nvDefine(INDEX, 10)
        yield* run("tpm2_clear", ["-c", "p"])
        assert.strictEqual((yield* Effect.flip(tpm.nvRead(INDEX, 0, 8)))._tag, "NvIndexAbsent")
        assert.deepStrictEqual(yield* authenticated, keys)
        // The seed of the endorsement hierarchy changes: other keys, and none that was kept.
        yield* run("tpm2_changeeps", [])
        const others = yield* authenticated
        for (const [at, key] of keys.entries()) assert.notStrictEqual(others[at], key)
      }).pipe(Effect.provide(tpmBy("direct", tcti)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("takes NV memory in pieces of what the TPM says, and of no more", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const between = yield* smallBuffers(tcti)
      const data = new Uint8Array(randomBytes(2048))
      yield* Effect.gen(function*() {
        const tpm = yield* Tpm
        assert.strictEqual((yield* tpm.limits).nvBufferMax, SMALL_BUFFER)
        yield* tpm.nvDefine(INDEX, 2048)
        yield* tpm.nvWrite(INDEX, 0, Redacted.make(data))
        assert.strictEqual(toHex(yield* tpm.nvRead(INDEX, 0)), toHex(data))
        assert.strictEqual(toHex(yield* tpm.nvRead(INDEX, 100, 1900)), toHex(data.subarray(100, 2000)))
      }).pipe(Effect.provide(tpmBy("direct", between)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is an error where there is no such way, and tpm2-tools' where nobody chose", () =>
    Effect.gen(function*() {
      const mssim = Tcti.make("mssim:host=127.0.0.1,port=1")
      const refused = yield* Effect.flip(Effect.provide(Effect.asVoid(Tpm), tpmBy("direct", mssim)))
      assert.strictEqual(refused._tag, "NoDirectTransport")
      const asked = Effect.flip(Effect.flatMap(Tpm, (tpm) => tpm.limits))
      const error = yield* asked.pipe(Effect.provide(TpmTransport.layer({ tcti: mssim })))
      assert.include(error.message, "TPM")
    }).pipe(Effect.provide(NodeServices.layer)))
})

describe.each(transports)("PCRs, by %s", (transport) => {
  it.live("are read and quoted, as tpm2_checkquote finds", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      const files = yield* FileSystem.FileSystem
      const run = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
      const directory = yield* files.makeTempDirectoryScoped()
      const at = (name: string) => `${directory}/${name}`
      yield* run("tpm2_pcrextend", [`12:sha256=${"ab".repeat(32)}`])
      const nonce = new Uint8Array(randomBytes(32))
      const selection = { bank: Algorithm.sha256, pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 23] }
      yield* Effect.gen(function*() {
        const tpm = yield* Tpm
        const values = yield* tpm.pcrRead(selection)
        assert.deepStrictEqual([...values.keys()].toSorted((one, other) => one - other), selection.pcrs)
        assert.notStrictEqual(toHex(values.get(12) ?? new Uint8Array()), "00".repeat(32))
        assert.strictEqual(toHex(values.get(0) ?? new Uint8Array()), "00".repeat(32))
        assert.strictEqual((yield* tpm.pcrRead({ bank: Algorithm.sha384, pcrs: [0] })).size <= 1, true)
        yield* files.writeFile(at("ak.pub"), (yield* tpm.attestationKey).public)
        const { attested, signature } = yield* tpm.quote(nonce, selection)
        yield* files.writeFile(at("quoted"), attested)
        yield* files.writeFile(at("signature"), signature)
      }).pipe(Effect.provide(tpmBy(transport, tcti)))
      const check = (qualification: Uint8Array) =>
        run("tpm2_checkquote", [
          "-u",
          at("ak.pub"),
          "-m",
          at("quoted"),
          "-s",
          at("signature"),
          "-g",
          "sha256",
          "-q",
          toHex(qualification)
        ])
      yield* check(nonce)
      yield* Effect.flip(check(new Uint8Array(32)))
    }).pipe(Effect.provide(NodeServices.layer)))
})
