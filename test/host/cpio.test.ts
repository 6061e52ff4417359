import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { lstatSync, mkdirSync, readFileSync, readlinkSync } from "node:fs"
import { runOk } from "../src/rig/Command.ts"
import { cpio, type CpioEntry } from "../src/rig/Cpio.ts"
import { TemporaryDirectory } from "../src/rig/TemporaryDirectory.ts"

const Name = Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9 '_-]{0,12}$/)))
const Contents = Schema.Array(Schema.Struct({
  folder: Name,
  name: Name,
  text: Schema.String,
  mode: Schema.Literals([0o600, 0o644, 0o755])
})).pipe(Schema.check(Schema.isMaxLength(8)))

describe("an archive for the kernel", () => {
  it.effect.prop(
    "is unpacked by cpio(1) to the same files, folders and links",
    [Contents],
    ([contents]) =>
      Effect.gen(function*() {
        // One entry for each name, and none that is a folder's and a file's.
        const files = new Map(contents.map((each, index) => [`d-${each.folder}/${index}-${each.name}`, each]))
        const entries = [...files].flatMap(([path, { mode, text }]): ReadonlyArray<CpioEntry> => [
          { type: "file", path, mode, content: Buffer.from(text) },
          { type: "link", path: `links/${path}`, to: `../../${path}` }
        ])
        const folder = `${yield* TemporaryDirectory.make("cpio")}/out`
        yield* Effect.sync(() => mkdirSync(folder))
        yield* runOk(["cpio", "--quiet", "--extract", `--directory=${folder}`], { stdin: cpio(entries) })
        for (const [path, { mode, text }] of files) {
          assert.strictEqual(readFileSync(`${folder}/${path}`, "utf8"), Buffer.from(text).toString("utf8"))
          assert.strictEqual(lstatSync(`${folder}/${path}`).mode & 0o7777, mode)
          assert.strictEqual(readlinkSync(`${folder}/links/${path}`), `../../${path}`)
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 25 } }
  )
})
