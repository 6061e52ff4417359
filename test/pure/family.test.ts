import { assert, describe, it } from "@effect/vitest"
import { openFamilyKeys } from "@patela/agent/session/openFamilyKeys"
import type { SealedFamilyKeys } from "@patela/domain/api/FamilyKeys"
import { FamilyId } from "@patela/domain/family/FamilyId"
import { familyFileOf, familyIdOf, type FamilySecret, familySecretFromBytes } from "@patela/domain/family/FamilySecret"
import type { Tpm } from "@patela/tpm/transport/Tpm"
import { TpmRefused } from "@patela/tpm/transport/TpmError"
import { Duration, Effect, Option, Redacted, Result, Schema } from "effect"
import { writeFileSync } from "node:fs"
import { newFamilySecret } from "../../packages/server/src/family/newFamilySecret.ts"
import { sealFamilyKeys } from "../../packages/server/src/family/sealFamilyKeys.ts"
import { type SoftwareTpm, softwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"
import { house } from "./SessionHouse.ts"

const secretAt = (seed: number): FamilySecret => {
  const bytes = new Uint8Array(64).fill(seed)
  bytes[0] = 8
  bytes[31] = 0x40
  return Result.getOrThrow(familySecretFromBytes(bytes))
}
const SECRETS = [secretAt(1), secretAt(2)]
const IDS = SECRETS.map(familyIdOf)
const BOTH: ReadonlyMap<FamilyId, FamilySecret> = new Map(SECRETS.map((secret) => [familyIdOf(secret), secret]))

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"))

/** What of a TPM opening takes, with keys in software; it refuses as a TPM does. */
const openerOf = (
  keys: SoftwareTpm
): Pick<Tpm["Service"], "activateCredential" | "attestationKey" | "endorsementKey"> => ({
  endorsementKey: Effect.succeed(bytes(keys.request.ek_public)),
  attestationKey: Effect.succeed({ public: bytes(keys.request.ak_public), name: bytes(keys.request.ak_name) }),
  activateCredential: ({ blob, secret }) =>
    Effect.try({
      try: () =>
        Redacted.make(
          new Uint8Array(keys.activate(Buffer.from(blob).toString("hex"), Buffer.from(secret).toString("hex")))
        ),
      catch: () =>
        new TpmRefused({ command: "activate", code: Option.none(), message: "the credential is not for this TPM" })
    })
})

const tpm = softwareTpm()

describe("keys of the family that are sealed to a TPM", () => {
  it.effect("are opened by it, and by no other", () =>
    Effect.gen(function*() {
      const sealed = yield* sealFamilyKeys(tpm.request, BOTH)
      const opened = yield* openFamilyKeys(openerOf(tpm), IDS, sealed)
      for (const [id, secret] of BOTH) {
        const found = opened.get(id)
        assert.deepEqual(found && Redacted.value(found), Redacted.value(secret))
      }
      const other = yield* Effect.flip(openFamilyKeys(openerOf(softwareTpm()), IDS, sealed))
      assert.strictEqual(other._tag, "TpmNotReady")
      const few = yield* Effect.flip(openFamilyKeys(openerOf(tpm), IDS, { ...sealed, keys: sealed.keys.slice(1) }))
      assert.include(few.message, "it was not sent")
    }))

  it.effect.prop("are refused with any bit changed, under another identity, or of another family", [
    Schema.Literals(["blob", "secret", "sealed", "exchanged", "wrong"]),
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 8 * 92 - 1 })))
  ], ([what, bit]) =>
    Effect.gen(function*() {
      const [id, otherId] = IDS
      if (id === undefined || otherId === undefined) return assert.fail()
      const wrong = what === "wrong" ? new Map([[id, secretAt(3)]]) : BOTH
      const sealed: SealedFamilyKeys = yield* sealFamilyKeys(tpm.request, wrong)
      const flipped = (hex: string) => {
        const all = bytes(hex)
        // The software TPM does not look at the sizes in front.
        const at = what === "sealed" ? (bit >> 3) % all.length : 4 + (bit >> 3) % 32
        all[at] = (all[at] ?? 0) ^ (1 << (bit & 7))
        return Buffer.from(all).toString("hex")
      }
      const changed = what === "blob"
        ? { ...sealed, blob: flipped(sealed.blob) }
        : what === "secret"
        ? { ...sealed, secret: flipped(sealed.secret) }
        : what === "exchanged"
        ? { ...sealed, keys: sealed.keys.map((key) => ({ ...key, id: key.id === id ? otherId : id })) }
        : what === "sealed"
        ? { ...sealed, keys: sealed.keys.map((key) => ({ ...key, sealed: flipped(key.sealed) })) }
        : sealed
      const error = yield* Effect.flip(openFamilyKeys(openerOf(tpm), [id], changed))
      assert.include(["ServerRefused", "TpmNotReady"], error._tag)
      assert.notInclude(error.message, Buffer.from(Redacted.value(secretAt(1))).toString("hex").slice(0, 20))
    }))
})

describe("a family from the command to the node", () => {
  it.effect("is imported, told, asked for once, rotated, and never shown", () =>
    Effect.gen(function*() {
      const { activations, cli, folder, session } = yield* house
      const config = session.config({ total: Duration.zero })
      assert.isUndefined((yield* config).family)
      const secret = yield* newFamilySecret
      const id = familyIdOf(secret)
      const said: Array<string> = []
      const run = (...args: ReadonlyArray<string>) =>
        Effect.map(cli(["family", ...args]), (ran) => {
          said.push(ran.stdout, ran.stderr)
          return ran
        })
      const file = (name: string, content: Uint8Array) => {
        writeFileSync(`${folder}/${name}`, content, { mode: 0o600 })
        return `${folder}/${name}`
      }
      const whole = Redacted.value(familyFileOf(secret))
      const refused = [
        [yield* run("import", file("short", whole.subarray(1))), "no secret family key"],
        [yield* run("import", file("other", whole.map((byte, at) => at === 32 ? byte | 1 : byte))), "no expanded"],
        [yield* run("import", `${folder}/absent`), "cannot be read: NotFound"],
        [yield* run("rotate"), "no family"]
      ] as const
      for (const [{ code, stderr }, why] of refused) {
        assert.strictEqual(code, 1, stderr)
        assert.include(stderr, why)
      }
      const imported = yield* run("import", file("ours.secret_family_key", whole))
      assert.strictEqual(imported.code, 0, imported.stderr)
      assert.include(imported.stdout, id)
      assert.deepEqual((yield* config).family, { ids: [id], members: [] })

      const before = yield* activations
      const opened = (yield* session.familyKeys([id])).get(id)
      assert.deepEqual(opened && Redacted.value(opened), Redacted.value(secret))
      assert.strictEqual(yield* activations, before + 1)
      assert.include(
        (yield* Effect.flip(session.familyKeys([FamilyId.make("a".repeat(43))]))).message,
        "read the configuration again"
      )

      assert.strictEqual((yield* run("rotate")).code, 0)
      const ids = (yield* config).family?.ids ?? []
      assert.lengthOf(ids, 2)
      assert.strictEqual(ids[1], id)
      assert.deepEqual([...(yield* session.familyKeys(ids)).keys()].sort(), [...ids].sort())
      assert.strictEqual((yield* run("retire", "--anyway")).code, 0)
      assert.deepEqual((yield* config).family?.ids, ids.slice(0, 1))
      yield* run("off", "id")
      yield* run("show", "--json")
      assert.isUndefined((yield* config).family)
      said.push((yield* cli(["audit"])).stdout)
      const text = said.join("\n")
      assert.include(text, "family rotated")
      const key = Buffer.from(Redacted.value(secret))
      for (const form of [key.toString("hex"), key.toString("base64")]) assert.notInclude(text, form.slice(0, 24))
    }), 120_000)
})
