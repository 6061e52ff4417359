import { assert, describe, it } from "@effect/vitest"
import { familyFileOf } from "@patela/domain/family/FamilySecret"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Redacted, Schema } from "effect"
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { familyFileName, FamilyKeyReader } from "../src/identity/FamilyKeyReader.ts"
import { nextStep } from "./nextStep.ts"
import { FAMILIES } from "./TestFamilies.ts"

const Step = Schema.Literals(["put", "put elsewhere", "take", "tor writes", "swap", "link", "remove", "look"])

/** Times tell a directory from its later versions a tenth of a second after a change; to this reader that is always so. */
const LATER = 60_000

describe("looking for keys of families", () => {
  it.effect.prop(
    "finds what a reader finds that was never asked before, whatever happened since the last look",
    [Schema.Array(Step)],
    ([steps]) =>
      Effect.gen(function*() {
        const root = mkdtempSync(`${tmpdir()}/patela-family-`)
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => [root, `${root}.clock`].forEach((path) => rmSync(path, { recursive: true, force: true })))
        )
        const [family] = FAMILIES
        assert.isDefined(family)
        const keys = `${root}/toma/keys`
        const file = familyFileName(family.id)
        const text = Redacted.value(familyFileOf(family.secret))
        let other = 0
        const fresh = (): string => {
          const made = `${root}/other${other++}`
          mkdirSync(`${made}/keys`, { recursive: true })
          return made
        }
        const happens: Readonly<Record<typeof Step.Type, () => void>> = {
          put: () => writeFileSync(`${keys}/${file}`, text),
          "put elsewhere": () => {
            const made = fresh()
            writeFileSync(`${made}/keys/${file}`, text)
            rmSync(`${root}/toma`, { recursive: true })
            renameSync(made, `${root}/toma`)
          },
          take: () => rmSync(`${keys}/${file}`, { force: true }),
          "tor writes": () => writeFileSync(`${keys}/ed25519_signing_cert`, "new"),
          swap: () => {
            rmSync(`${root}/toma`, { recursive: true })
            renameSync(fresh(), `${root}/toma`)
          },
          link: () => {
            rmSync(keys, { recursive: true, force: true })
            symlinkSync(`${fresh()}/keys`, keys)
          },
          remove: () => rmSync(keys, { recursive: true, force: true }),
          look: () => undefined
        }
        mkdirSync(keys, { recursive: true })
        yield* Effect.gen(function*() {
          const reader = yield* FamilyKeyReader
          for (const step of steps) {
            nextStep(`${root}.clock`)
            yield* Effect.ignore(Effect.try(() => happens[step]()))
            const anew = yield* FamilyKeyReader.use(({ look }) => look).pipe(
              Effect.provide(FamilyKeyReader.layerAt(root), { local: true })
            )
            const name = RelayName.make("toma")
            assert.deepStrictEqual((yield* reader.look).get(name), anew.get(name), steps.join(", "))
          }
        }).pipe(Effect.provide(FamilyKeyReader.layerAt(root, () => Date.now() + LATER)))
      }).pipe(Effect.scoped)
  )
})
