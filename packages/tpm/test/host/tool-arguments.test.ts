import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { KeyStore } from "../../src/store/KeyStore.ts"
import type { RelaySecrets } from "../../src/store/payload.ts"
import { authenticate } from "./Authenticate.ts"
import { type RecordedTool, recordedTools } from "./RecordedTools.ts"
import { holds, relays, storeOn } from "./StoreOnTpm.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"

/** Bytes of a key in a row that are too many to be there by chance. */
const WINDOW = 6

/** The parts of secrets that a tool was given where others can read: as bytes, in hex or in base64. */
const leaks = (entries: RelaySecrets, tools: ReadonlyArray<RecordedTool>): ReadonlyArray<string> => {
  const texts = tools.flatMap((tool) => [tool.arguments, tool.environment].map((it) => it.toString("latin1")))
  const low = texts.map((text) => text.toLowerCase())
  return [...entries].flatMap(([tag, secret]) => {
    const whole = Buffer.from(Redacted.value(secret))
    const windows = Array.from({ length: whole.length - WINDOW + 1 }, (_, at) => whole.subarray(at, at + WINDOW))
    const found = windows.some((window) =>
      low.some((text) => text.includes(window.toString("hex"))) ||
      texts.some((text) => text.includes(window.toString("latin1")) || text.includes(window.toString("base64")))
    )
    return found ? [tag] : []
  })
}

describe("what tpm2-tools are started with", () => {
  it.live("has no byte of a key, in arguments or environment, while keys are saved and restored", () =>
    Effect.gen(function*() {
      const ran = yield* recordedTools
      const entries = relays(13)
      const { tcti } = yield* swtpm(yield* newTpmState)
      yield* Effect.gen(function*() {
        const store = yield* KeyStore
        yield* store.write(relays(2))
        yield* store.write(entries)
        yield* holds(entries)
        const tools = yield* ran
        const names = new Set(tools.map(({ name }) => name))
        for (const name of ["tpm2_nvdefine", "tpm2_nvwrite", "tpm2_nvread"]) assert.include([...names], name)
        assert.deepStrictEqual(leaks(entries, tools), [])
        yield* store.erase
      }).pipe(Effect.provide(storeOn("tools", tcti)))
      // The same search finds a key that is given in any of three ways.
      const [[tag, secret] = assert.fail("no key")] = entries
      const bytes = Buffer.from(Redacted.value(secret))
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      for (
        const form of [bytes.toString("hex").toUpperCase(), bytes.toString("base64"), `x${bytes.toString("base64")}`]
      ) {
        yield* spawner.exitCode(ChildProcess.make("tpm2_getcap", ["--version", form]))
        assert.deepStrictEqual(leaks(entries, yield* ran), [tag])
        yield* spawner.exitCode(
          ChildProcess.make("tpm2_getcap", ["--version"], { env: { KEY: form }, extendEnv: true })
        )
        assert.deepStrictEqual(leaks(entries, yield* ran), [tag])
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is nothing at all by the direct transport", () =>
    Effect.gen(function*() {
      const ran = yield* recordedTools
      const { tcti } = yield* swtpm(yield* newTpmState)
      yield* Effect.gen(function*() {
        const store = yield* KeyStore
        const entries = relays(64)
        yield* store.write(relays(64))
        yield* store.write(entries)
        yield* holds(entries)
        yield* authenticate
        assert.deepStrictEqual(yield* ran, [])
      }).pipe(Effect.provide(storeOn("direct", tcti)))
    }).pipe(Effect.provide(NodeServices.layer)))
})
