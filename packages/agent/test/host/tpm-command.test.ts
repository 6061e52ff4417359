import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { KeyStore } from "@patela/tpm/store/KeyStore"
import { Tcti } from "@patela/tpm/transport/Tcti"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Tpm2Tools } from "@patela/tpm/transport/Tpm2Tools"
import { Effect, FileSystem, Layer, Redacted, Schedule, Schema } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { createHash, randomBytes } from "node:crypto"
import { fileURLToPath } from "node:url"
import { certifiedTpm } from "../../../tpm/test/host/CertifiedTpm.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

const newTpm = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "tpm-command-" })
  const socket = (name: string) => `type=unixio,path=${directory}/${name}`
  const where = ["--server", socket("s"), "--ctrl", socket("s.ctrl"), "--tpmstate", `dir=${directory}`]
  yield* spawner.spawn(
    ChildProcess.make("swtpm", ["socket", "--tpm2", ...where, "--flags", "not-need-init,startup-clear"], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore"
    })
  )
  const tcti = Tcti.make(`swtpm:path=${directory}/s`)
  // A file is there a moment before its socket listens.
  yield* Effect.flatMap(Tpm, (tpm) => tpm.limits).pipe(
    Effect.retry({ schedule: Schedule.spaced("10 millis"), times: 500 }),
    Effect.provide(Tpm2Tools.layer({ tcti }))
  )
  return tcti
})

const agent = Effect.fnUntraced(function*(tcti: Tcti, ...args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return yield* spawner.string(ChildProcess.make(process.execPath, [main, "tpm", ...args, "--tpm2", tcti]))
})

const save = (tcti: Tcti, count: number) =>
  Effect.flatMap(KeyStore, (store) =>
    store.write(
      new Map(Array.from({ length: count }, (_, at) => [
        at.toString(16).padStart(8, "0"),
        Redacted.make<Uint8Array>(randomBytes(192))
      ]))
    )).pipe(Effect.provide(KeyStore.layer.pipe(Layer.provide(Tpm2Tools.layer({ tcti })))))

const Status = Schema.fromJsonString(Schema.Struct({
  key_store: Schema.NullOr(Schema.Struct({ relays: Schema.Int, sequence: Schema.Int })),
  nv_indexes: Schema.Array(Schema.Struct({ index: Schema.String, size: Schema.Int }))
}))

describe("patela-agent tpm", () => {
  it.live("shows a key store of many NV indexes, and erases all of it only on the word", () =>
    Effect.gen(function*() {
      const tcti = yield* newTpm
      yield* save(tcti, 12)
      yield* save(tcti, 25)
      const status = Effect.flatMap(agent(tcti, "status", "--json"), Schema.decodeEffect(Status))
      assert.deepStrictEqual(yield* status, {
        key_store: { relays: 25, sequence: 2 },
        nv_indexes: [
          { index: "0x01800820", size: 2048 },
          { index: "0x01800821", size: 2048 },
          { index: "0x01800822", size: 356 },
          { index: "0x01800823", size: 2048 },
          { index: "0x01800825", size: 856 }
        ]
      })
      const text = yield* agent(tcti, "status")
      assert.match(text, /^Endorsement key {3}sha256:[0-9a-f]{64} \(ecc-p256\)$/m)
      assert.notInclude(text, "enabled before")
      assert.include(text, "Key store         25 relays, 0 family keys, written 2 times\n")
      assert.include(text, "NV indexes        5, 7356 bytes in all: 0x01800820 0x01800821")
      yield* agent(tcti, "erase-keys")
      assert.strictEqual((yield* status).key_store?.relays, 25)
      assert.include(yield* agent(tcti, "erase-keys", "--yes"), "the key store is empty")
      assert.deepStrictEqual(yield* status, { key_store: null, nv_indexes: [] })
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("shows the endorsement key that is certified, and the one that this machine may have been enabled with", () =>
    Effect.gen(function*() {
      const { tcti } = yield* certifiedTpm
      const text = yield* agent(tcti, "status")
      const hashes = ["ecc-p384", "ecc-p256"].map((kind) =>
        new RegExp(`sha256:([0-9a-f]{64}) \\(${kind}\\)`).exec(text)?.[1]
      )
      for (const [at, kind] of (["ecc-p384", "ecc-p256"] as const).entries()) {
        const key = yield* Effect.flatMap(Tpm, (tpm) => tpm.endorsementKey).pipe(
          Effect.provide(Tpm2Tools.layer({ tcti, endorsementKey: kind }))
        )
        assert.strictEqual(hashes[at], createHash("sha256").update(key).digest("hex"), kind)
      }
    }).pipe(Effect.provide(NodeServices.layer)))
})
