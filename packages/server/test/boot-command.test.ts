import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { patela } from "./rig/commandLine.ts"
import { house } from "./rig/house.ts"
import { runningPatela } from "./rig/runningPatela.ts"

const TIMEOUT = 120_000
const DIGEST = "4f".repeat(32)

describe("patela policy pcr", () => {
  it.effect(
    "allows digests and sets what is done about the others, with what it did in the audit log",
    () =>
      Effect.gen(function*() {
        const { folder, variables } = yield* house
        const pcr = (...args: ReadonlyArray<string>) => patela(variables, ["policy", "pcr", ...args])
        assert.include((yield* pcr("list")).stdout, "Boots are enforced: off. PCRs: sha256:0,2,4,7,12,13,14")
        assert.include((yield* pcr("allow", `sha256:${DIGEST.toUpperCase()}`)).stdout, `${DIGEST} is allowed.`)
        assert.deepStrictEqual(JSON.parse((yield* pcr("allow", DIGEST, "--json")).stdout), {
          digest: DIGEST,
          changed: false
        })
        assert.deepNestedInclude(JSON.parse((yield* pcr("list", "--json")).stdout), {
          enforcement: "off",
          "allowed[0].digest": DIGEST,
          "allowed[0].nodes": []
        })
        for (
          const wrong of [["allow", "4f"], ["select", "0,16"], ["remove", "4f"], ["learn", "1"], [
            "log",
            "1",
            `${folder}/log`
          ]]
        ) {
          const { code, stdout, stderr } = yield* pcr(...wrong)
          assert.deepStrictEqual([code, stdout], [1, ""], wrong.join(" "))
          assert.isNotEmpty(stderr)
        }
        assert.strictEqual((yield* pcr("enforce", "maybe")).code, 2)
        assert.include((yield* pcr("enforce", "warn")).stdout, "Boots are enforced: warn.")
        assert.include((yield* pcr("enforce", "warn")).stdout, "as before")
        assert.include((yield* pcr("remove", DIGEST)).stdout, "is no longer allowed")
        assert.include((yield* pcr("remove", DIGEST)).stdout, "was not allowed")
        assert.include((yield* pcr("select", "7,0")).stdout, "asked for PCR sha256:0,7")
        assert.deepInclude(JSON.parse((yield* pcr("select", "0,7", "--json")).stdout), { changed: false })
        const moved = (yield* pcr("select", "0,7,11", "--bank", "sha384")).stdout
        assert.include(moved, "whose TPM has no sha384 bank")
        assert.include(moved, "PCR 10 and 11 go on being extended")
        assert.deepInclude(JSON.parse((yield* pcr("select", "0,4", "--json")).stdout), {
          selection: { bank: "sha384", pcrs: [0, 4] },
          changed: true
        })
        assert.strictEqual((yield* pcr("select")).stdout.trim(), "sha384:0,4")
        assert.include((yield* pcr("list")).stdout, "PCRs: sha384:0,4")
        assert.include((yield* pcr("allow", "4f")).stderr, "tpm2_pcrread -o FILE sha384:0,4")
        assert.strictEqual((yield* pcr("select", "--bank", "sha1", "0")).code, 2)
        const { stdout } = yield* patela(variables, ["audit", "--json"])
        for (const what of ["boot allowed", "boot removed", "boot enforcement set", "PCRs of boots selected"]) {
          assert.include(stdout, what)
        }
      }),
    TIMEOUT
  )

  it.live("says whom it refuses, and lists and shows how a node stands", () =>
    Effect.gen(function*() {
      const { cli, enrolled } = yield* runningPatela
      const { id } = yield* enrolled
      assert.include((yield* cli(["list", "node"])).stdout, "unchecked")
      assert.include((yield* cli(["policy", "pcr", "learn", String(id)])).stderr, "patela policy pcr enforce warn")
      assert.include((yield* cli(["policy", "pcr", "enforce", "on"])).stdout, `was shown by node ${id}`)
      const shown = JSON.parse((yield* cli(["node", "show", String(id), "--json"])).stdout)
      assert.deepNestedInclude(shown, { "boot.state": "unknown", "boot.digest": null })
    }), TIMEOUT)
})
