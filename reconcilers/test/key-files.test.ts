import { assert, describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Redacted, Schema } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { ReplaceFile } from "../src/host/ReplaceFile.ts"
import { KeyFileReader } from "../src/identity/KeyFileReader.ts"
import { KeyFileWriter } from "../src/identity/KeyFileWriter.ts"
import { fingerprintsOf, KEY_FILE_NAMES, keyFilesOf } from "../src/identity/RelayIdentity.ts"
import { Lifetime, mortal } from "./Lifetime.ts"
import { identityAt, Pick } from "./TestIdentities.ts"

const owner = { name: RelayName.make("brie"), uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
const Found = Schema.NullOr(Schema.Union([Pick, Schema.Literal("damaged")]))

/** Key files of these identities in a directory of their own, and an agent that dies at its `writes`-th file. */
const half = (found: { readonly ed25519: typeof Found.Type; readonly rsa: typeof Found.Type }, writes: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const root = mkdtempSync(`${tmpdir()}/patela-keys-`)
      mkdirSync(`${root}/brie/keys`, { recursive: true })
      for (const part of ["ed25519", "rsa"] as const) {
        const key = found[part]
        if (key === null) continue
        const content = key === "damaged" ? "" : Redacted.value(keyFilesOf(identityAt(key))[part])
        writeFileSync(`${root}/brie/keys/${KEY_FILE_NAMES[part]}`, content, { mode: 0o600 })
      }
      return root
    }),
    (root) => Effect.sync(() => rmSync(root, { recursive: true }))
  ).pipe(Effect.map((root) => {
    const lifetime = new Lifetime()
    lifetime.killAfter(writes)
    const writer = KeyFileWriter.layerAt(root).pipe(Layer.provide(mortal(ReplaceFile, lifetime, ReplaceFile.layer)))
    return Layer.merge(KeyFileReader.layerAt(root), writer)
  }))

describe("key files that are written", () => {
  it.effect.prop(
    "are the old ones, the new ones or no relay's, wherever the agent is killed",
    [Found, Found, Pick, Schema.Literals([0, 1, 2])],
    ([ed25519, rsa, next, writes]) =>
      Effect.gen(function*() {
        const files = yield* half({ ed25519, rsa }, writes)
        yield* Effect.gen(function*() {
          const { write } = yield* KeyFileWriter
          const { look } = yield* KeyFileReader
          const before = (yield* look([owner])).get(owner.name)
          yield* Effect.exit(write(owner, identityAt(next)))
          const after = (yield* look([owner])).get(owner.name)
          if (after?.state !== "present") return
          const allowed = before?.state === "present" && writes === 0 ? [before.fingerprints] : []
          assert.deepInclude([...allowed, fingerprintsOf(identityAt(next))], after.fingerprints)
        }).pipe(Effect.provide(files))
      }).pipe(Effect.scoped)
  )

  it.effect("are never away while the same keys are put right: nobody else may have them yet", () =>
    Effect.forEach([0, 1, 2], (writes) =>
      Effect.gen(function*() {
        const files = yield* half({ ed25519: 0, rsa: 0 }, writes)
        yield* Effect.gen(function*() {
          const { write } = yield* KeyFileWriter
          const { look } = yield* KeyFileReader
          yield* Effect.exit(write(owner, identityAt(0)))
          assert.strictEqual((yield* look([owner])).get(owner.name)?.state, "present")
        }).pipe(Effect.provide(files))
      }).pipe(Effect.scoped)))
})
