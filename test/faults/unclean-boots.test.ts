import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { KeyStore } from "@patela/tpm/store/KeyStore"
import { runTool } from "@patela/tpm/transport/runTool"
import type { Tcti } from "@patela/tpm/transport/Tcti"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Duration, Effect, Layer, Redacted } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { runningPatela } from "../../packages/server/test/rig/runningPatela.ts"
import { holds, relays, storeOn } from "../../packages/tpm/test/host/StoreOnTpm.ts"
import { newTpmState, swtpm } from "../../packages/tpm/test/host/Swtpm.ts"
import { tpmBy, transports } from "../../packages/tpm/test/host/Transports.ts"
import { sessionWith } from "../pure/SessionHouse.ts"

const TIMEOUT = 180_000
const once = { total: Duration.zero }

/** An index with a password of its own, which counts towards a lockout: Patela defines none like it. */
const GUARDED = "0x01800999"

const tools = Effect.fnUntraced(function*(tcti: Tcti) {
  return runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
})

/** A boot that ends with a power cut: the TPM hears of it as little as of a kill, and was not shut down. */
const uncleanBoot = <A, E, R>(state: string, use: (tcti: Tcti) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    const { pid, tcti } = yield* swtpm(state)
    const done = yield* use(tcti)
    yield* Effect.sync(() => process.kill(pid, "SIGKILL"))
    return done
  }))

/** A TPM that locks out after two wrong tries, and was shut down in order after that was set. */
const strictTpm = Effect.gen(function*() {
  const state = yield* newTpmState
  yield* Effect.scoped(Effect.gen(function*() {
    const run = yield* tools((yield* swtpm(state)).tcti)
    yield* run("tpm2_dictionarylockout", ["-s", "-n", "2", "-t", "1000", "-l", "1000"])
    yield* run("tpm2_nvdefine", ["-Q", "-C", "o", "-s", "8", "-a", "authread|authwrite", "-p", "right", GUARDED])
    yield* run("tpm2_nvwrite", ["-P", "right", "-i", "-", GUARDED], Redacted.make(new Uint8Array(8)))
    yield* run("tpm2_shutdown", ["-c"])
  }))
  return state
})

const isLockedOut = Effect.flatMap(Tpm, (tpm) => Effect.map(tpm.limits, ({ inLockout }) => inLockout))

describe("five boots in a row that end with a power cut", () => {
  it.live.each(transports)(
    "leave the same node, its session and its keys, and no lockout, by %s",
    (transport) =>
      Effect.gen(function*() {
        const patela = yield* runningPatela
        const state = yield* strictTpm
        let saved = relays(4)
        const boot = (enabled: boolean) =>
          uncleanBoot(state, (tcti) =>
            Effect.gen(function*() {
              const session = yield* sessionWith({
                port: patela.server.port,
                cert: patela.cert,
                token: `${patela.folder}/no-token`,
                tpm: Layer.succeed(Tpm, yield* Tpm)
              })
              if (!enabled) {
                assert.strictEqual((yield* Effect.flip(session.config(once)))._tag, "WaitingForApproval")
                yield* patela.cli(["enable", "1"])
              }
              const config = yield* session.config(once)
              const store = yield* KeyStore
              if (enabled) yield* holds(saved)
              saved = relays(4)
              yield* store.write(saved)
              yield* holds(saved)
              assert.isFalse(yield* isLockedOut)
              return config.relays
            }).pipe(Effect.provide(storeOn(transport, tcti))))
        const first = yield* boot(false)
        for (let time = 0; time < 5; time += 1) assert.deepStrictEqual(yield* boot(true), first)
        assert.notInclude((yield* patela.cli(["list", "node", "--json"])).stdout, `"id": 2`)
      }).pipe(Effect.provide(NodeServices.layer)),
    TIMEOUT
  )

  it.live(
    "would lead to one where something that counts towards a lockout was used, with the right password",
    () =>
      Effect.gen(function*() {
        const state = yield* strictTpm
        const locked = Effect.fnUntraced(function*(tcti: Tcti) {
          const run = yield* tools(tcti)
          yield* Effect.ignore(run("tpm2_nvread", ["-P", "right", "-s", "8", GUARDED]))
          return yield* isLockedOut.pipe(Effect.provide(tpmBy("direct", tcti)))
        })
        for (let time = 0; time < 5; time += 1) if (yield* uncleanBoot(state, locked)) return
        assert.fail("five times, and the TPM did not mind")
      }).pipe(Effect.provide(NodeServices.layer)),
    TIMEOUT
  )
})
