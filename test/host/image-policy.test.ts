import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { writeFileSync } from "node:fs"
import { enabledMission } from "../src/mission/enabledMission.ts"
import type { Mission } from "../src/mission/Mission.ts"
import { relaysOnRecord } from "../src/mission/RelayOnRecord.ts"
import { nodeTcti } from "../src/rig/Swtpm.ts"
import { TemporaryDirectory } from "../src/rig/TemporaryDirectory.ts"

const Status = Schema.fromJsonString(Schema.Struct({
  image_pcrs: Schema.Record(Schema.String, Schema.String),
  key_store: Schema.NullOr(Schema.Struct({ relays: Schema.Int })),
  key_store_closed: Schema.NullOr(Schema.String)
}))

const status = (mission: Mission) =>
  Effect.flatMap(mission.agent("tpm", "status", "--json"), ({ stdout }) => Schema.decodeEffect(Status)(stdout))

const tools = (mission: Mission, ...argv: readonly [string, ...ReadonlyArray<string>]) =>
  mission.node.exec(argv, { env: { TPM2TOOLS_TCTI: nodeTcti } })

/** A boot of an image that measures this, on a blank root. */
const bootWith = Effect.fnUntraced(function*(mission: Mission, digit: string) {
  yield* mission.rig.powerOff
  yield* mission.rig.boot
  yield* tools(mission, "tpm2_pcrextend", `12:sha256=${digit.repeat(64)}`)
})

const approve = Effect.fnUntraced(function*(mission: Mission, key: string) {
  const { image_pcrs } = yield* status(mission)
  const flags = Object.entries(image_pcrs).flatMap(([pcr, value]) => [`--pcr${pcr}`, value])
  yield* mission.patela("policy", "sign-image", "--key", key, ...flags)
})

describe("a node whose images are approved", () => {
  it.live("gives its keys to those alone, and takes them along from before", () =>
    Effect.gen(function*() {
      const key = `${yield* TemporaryDirectory.make("image-key")}/key.pem`
      const pem = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "pem", type: "pkcs8" })
      yield* Effect.sync(() => writeFileSync(key, pem, { mode: 0o600 }))
      const mission = yield* enabledMission(2, {})
      const onRecord = Effect.map(
        relaysOnRecord(mission),
        (all) => all.map(({ fingerprint, name }) => ({ fingerprint, name }))
      )
      const relays = yield* onRecord
      const reconcile = mission.agent("reconcile", "--wait", "0")

      yield* bootWith(mission, "a")
      yield* approve(mission, key)
      const moving = yield* reconcile
      assert.strictEqual(moving.exitCode, 0, moving.stdout + moving.stderr)
      assert.deepStrictEqual((yield* status(mission)).key_store, { relays: 2 })
      assert.notStrictEqual((yield* tools(mission, "tpm2_nvread", "-C", "o", "-s", "8", "0x01800820")).exitCode, 0)
      assert.notStrictEqual((yield* tools(mission, "tpm2_nvread", "-C", "o", "-s", "8", "0x01800821")).exitCode, 0)
      const diff = yield* mission.agent("diff")
      assert.strictEqual(diff.exitCode, 0, diff.stdout)

      yield* bootWith(mission, "b")
      const refused = yield* reconcile
      assert.strictEqual(refused.exitCode, 1)
      assert.include(refused.stdout + refused.stderr, "patela policy sign-image --key FILE --pcr4")
      assert.include((yield* status(mission)).key_store_closed ?? "", "opens only for an approved image")
      assert.deepStrictEqual(yield* onRecord, relays)

      yield* approve(mission, key)
      const opened = yield* reconcile
      assert.strictEqual(opened.exitCode, 0, opened.stdout + opened.stderr)
      assert.deepStrictEqual(yield* onRecord, relays)
      // The first image has not lost its approval.
      yield* bootWith(mission, "a")
      assert.strictEqual((yield* reconcile).exitCode, 0)
    }).pipe(Effect.scoped))
})
