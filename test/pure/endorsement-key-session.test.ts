import { assert, describe, it } from "@effect/vitest"
import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { endorsementKeyTemplates } from "@patela/tpm/identity/EndorsementKey"
import { encodePublicHex } from "@patela/tpm/structures/TpmtPublic"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Duration, Effect, Layer, Ref } from "effect"
import { runningPatela } from "../../packages/server/test/rig/runningPatela.ts"
import type { SoftwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"
import { keyOf } from "../../packages/tpm/test/fixtures.ts"
import { answers, sessionWith, tpmOf } from "./SessionHouse.ts"

const TIMEOUT = 120_000
const once = { total: Duration.zero }

/** A TPM that goes by its P-384 key until it is told otherwise, and does as told unless it is `stubborn`. */
const choosingTpm = (keys: SoftwareTpm, stubborn: boolean) =>
  Effect.gen(function*() {
    const kind = yield* Ref.make<EndorsementKeyKind>("ecc-p384")
    const p256 = tpmOf(keys, yield* Ref.make(0))
    const p384 = new Uint8Array(Buffer.from(encodePublicHex(keyOf(endorsementKeyTemplates["ecc-p384"])), "hex"))
    return Layer.effect(
      Tpm,
      Effect.map(Tpm, (tpm) =>
        Tpm.of({
          ...tpm,
          endorsementKey: Effect.flatMap(
            Ref.get(kind),
            (now) => now === "ecc-p256" ? tpm.endorsementKey : Effect.succeed(p384)
          ),
          useEndorsementKey: (told) => stubborn ? Effect.void : Ref.set(kind, told)
        }))
    ).pipe(Layer.provide(p256))
  })

const house = Effect.fnUntraced(function*(stubborn: boolean) {
  const patela = yield* runningPatela
  const { id, tpm } = yield* patela.enrolled
  const session = yield* sessionWith({
    port: patela.server.port,
    cert: patela.cert,
    token: `${patela.folder}/no-token`,
    tpm: yield* choosingTpm(tpm, stubborn)
  })
  return { ...patela, id, session }
})

describe("a session of a node that was enabled with another endorsement key", () => {
  it.live("begins with that one, and knows it from then on", () =>
    Effect.gen(function*() {
      const { administration, id, session } = yield* house(false)
      const { take } = yield* answers
      const asked = () => take().filter((line) => line.endsWith("/public/auth"))
      const { relays } = yield* session.config(once)
      assert.deepStrictEqual(asked(), ["409 /public/auth", "201 /public/auth"])
      yield* administration.revoke("test", id)
      assert.deepStrictEqual((yield* session.config(once)).relays, relays)
      assert.deepStrictEqual(asked(), ["200 /public/auth"])
    }), TIMEOUT)

  it.live("ends where the TPM has no such key, and does not go in circles", () =>
    Effect.gen(function*() {
      const { session } = yield* house(true)
      const { take } = yield* answers
      const refused = yield* Effect.flip(session.config(once))
      assert.strictEqual(refused._tag, "ServerRefused")
      assert.include(refused.message, "was enabled with its ecc-p256 endorsement key")
      assert.deepStrictEqual(take(), ["409 /public/auth", "409 /public/auth"])
    }), TIMEOUT)
})
