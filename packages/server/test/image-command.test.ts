import { assert, describe, it } from "@effect/vitest"
import { ImagePolicy } from "@patela/tpm/policy/ImagePolicy"
import { Effect, Schema } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { writeFileSync } from "node:fs"
import { runningPatela } from "./rig/runningPatela.ts"

const TIMEOUT = 120_000

const Told = Schema.fromJsonString(Schema.Struct({
  generation: Schema.Int,
  image_policy: Schema.optionalKey(ImagePolicy)
}))

const pemOf = (namedCurve: string): string =>
  generateKeyPairSync("ec", { namedCurve }).privateKey.export({ format: "pem", type: "pkcs8" }).toString()

describe("patela policy sign-image", () => {
  it.effect("tells nodes of approved images, by one key, and keeps no private one", () =>
    Effect.gen(function*() {
      const { ask, cli, enrolled, folder } = yield* runningPatela
      const file = (name: string, text: string) => {
        writeFileSync(`${folder}/${name}`, text, { mode: 0o600 })
        return `${folder}/${name}`
      }
      const key = file("image-key.pem", pemOf("P-256"))
      const { token } = yield* enrolled
      const told = Effect.flatMap(ask("/private/config/resolved/node", undefined, token), ({ text }) =>
        Schema.decodeEffect(Told)(text))
      const sign = (by: string, digits: readonly [string, string, string], ...more: ReadonlyArray<string>) =>
        cli([
          "policy",
          "sign-image",
          "--key",
          by,
          ...digits.flatMap((digit, at) => [`--pcr${12 + at}`, digit.repeat(64)]),
          ...more
        ])
      const image = ["--pcr4", "d".repeat(64)] as const
      const before = yield* told
      assert.isUndefined(before.image_policy)

      const first = yield* sign(key, ["a", "b", "c"], ...image)
      assert.deepStrictEqual([first.code, first.stderr], [0, ""])
      assert.match(first.stdout, /^Approved [0-9a-f]{64}; it is the only one\.\n$/)
      assert.strictEqual((yield* sign(key, ["a", "b", "c"], ...image)).stdout, first.stdout)
      const second = yield* sign(key, ["a", "b", "c"])
      assert.match(second.stderr, /^warning: without --pcr4, [^\n]*\n$/)
      const nothing = yield* sign(key, ["0", "0", "0"], "--pcr4", "0".repeat(64))
      assert.strictEqual(nothing.code, 1)
      assert.include(nothing.stderr, "All of them are zero")
      const third = yield* sign(key, ["0", "0", "0"], "--allow-unmeasured")
      assert.include(third.stderr, "whatever is booted opens the keys")
      // Alone, what is measured of the image is enough.
      assert.strictEqual((yield* sign(key, ["0", "0", "0"], ...image)).stderr, "")
      const after = yield* told
      assert.strictEqual(after.generation, before.generation + 4)
      const approved = after.image_policy?.approved ?? []
      // An agent that knows of no choice reads those of PCR 12 to 14 as before.
      const all = [4, 12, 13, 14]
      assert.deepStrictEqual(
        approved.map(({ pcrs }) =>
          pcrs
        ),
        [all, undefined, undefined, all]
      )
      assert.strictEqual(approved[0]?.policy, /[0-9a-f]{64}/.exec(first.stdout)?.[0])

      const refused = [
        [yield* sign(file("other.pem", pemOf("P-256")), ["a", "a", "a"]), "with another key before"],
        [yield* sign(file("p384.pem", pemOf("P-384")), ["a", "a", "a"]), "P-256"],
        [yield* sign(file("none.pem", "nonsense"), ["a", "a", "a"]), "no private key"],
        [yield* sign(`${folder}/absent.pem`, ["a", "a", "a"]), "cannot be read: NotFound"],
        [yield* sign(key, ["a", "g", "a"]), "pcr13"]
      ] as const
      for (const [{ code, stderr, stdout }, why] of refused) {
        // A wrong command line is 2, everything else 1.
        assert.deepStrictEqual([code, stdout], [why === "pcr13" ? 2 : 1, ""], stderr)
        assert.include(stderr, why)
      }
      assert.deepStrictEqual(yield* told, after)
      assert.include((yield* cli(["audit"])).stdout, "policy sign-image")
    }), TIMEOUT)
})
