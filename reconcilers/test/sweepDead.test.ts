import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ReplaceFile } from "../src/host/ReplaceFile.ts"
import { OWNER, sweepDead } from "../src/host/SweepDead.ts"

/** The number of a process that has ended. */
const dead = spawnSync(process.execPath, ["--version"]).pid

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sweep-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

describe("what a killed process leaves", () => {
  it.effect("goes when the next file is put in place; what lives or is another's stays", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const hex = "0123456789ab"
      const stays = [
        `.torrc.patela-${OWNER}-${hex}`,
        `.torrc.patela-1-${hex}`,
        `.torrc.${hex}`,
        `torrc.patela-${dead}-${hex}`,
        `.torrc.patela-${dead}-${hex}.keep`,
        `.torrc.patela-0-${hex}`
      ]
      for (const name of [...stays, `.torrc.patela-${dead}-${hex}`, `.other.patela-${dead}-${hex}`]) {
        writeFileSync(join(path, name), "")
      }
      mkdirSync(join(path, `.directory.patela-${dead}-${hex}`))
      const { replace } = yield* ReplaceFile
      yield* replace({
        path: join(path, "torrc"),
        content: "new",
        mode: 0o600,
        uid: process.getuid?.() ?? 0,
        gid: process.getgid?.() ?? 0
      })
      const left = readdirSync(path).toSorted()
      assert.deepStrictEqual(left, [...stays, "torrc", `.directory.patela-${dead}-${hex}`].toSorted())
      assert.strictEqual(readFileSync(join(path, "torrc"), "utf8"), "new")
    }).pipe(Effect.provide(ReplaceFile.layer)))

  it.effect("of directories goes too, and no link is followed", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const elsewhere = yield* directory
      writeFileSync(join(elsewhere, "kept"), "")
      for (const owner of [OWNER, String(dead)]) {
        mkdirSync(join(path, `verify-${owner}-a`))
        writeFileSync(join(path, `verify-${owner}-a`, "torrc"), "secret")
      }
      symlinkSync(elsewhere, join(path, `verify-${dead}-link`))
      yield* Effect.promise(() => sweepDead(path, "directories", /^verify-(\d+)-/))
      yield* Effect.promise(() => sweepDead(join(path, "absent"), "directories", /^verify-(\d+)-/))
      assert.deepStrictEqual(readdirSync(path).toSorted(), [`verify-${dead}-link`, `verify-${OWNER}-a`].toSorted())
      assert.deepStrictEqual(readdirSync(elsewhere), ["kept"])
    }))
})
