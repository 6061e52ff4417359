import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { patela } from "./rig/commandLine.ts"
import { house } from "./rig/house.ts"

const TIMEOUT = 120_000
const HASH = "4f".repeat(32)

describe("patela policy", () => {
  it.effect("allows keys and sets the lowest tier, with what it did in the audit log", () =>
    Effect.gen(function*() {
      const { folder, variables } = yield* house
      const policy = (...args: ReadonlyArray<string>) => patela(variables, ["policy", ...args])
      assert.strictEqual((yield* policy("tier")).stdout, "first-use\n")
      assert.include((yield* policy("allow-ek", `sha256:${HASH.toUpperCase()}`)).stdout, `${HASH} is allowed.`)
      assert.include((yield* policy("allow-ek", HASH)).stdout, "already")
      assert.include((yield* policy("allow-ek", "list")).stdout, HASH)
      const listed = JSON.parse((yield* policy("allow-ek", "list", "--json")).stdout)
      assert.deepNestedInclude(listed, { "allowed[0].ek_sha256": HASH, "allowed[0].nodes": [] })
      for (const wrong of [["allow-ek", "4f"], ["allow-ek", "remove"], ["allow-ek", HASH, HASH]]) {
        const { code, stdout, stderr } = yield* policy(...wrong)
        assert.deepStrictEqual([code, stdout], [1, ""], wrong.join(" "))
        assert.isNotEmpty(stderr)
      }
      assert.include((yield* policy("allow-ek", "remove", HASH)).stdout, "no longer")
      assert.include((yield* policy("tier", "certified")).stdout, "now certified")
      assert.deepStrictEqual(JSON.parse((yield* policy("tier", "--json")).stdout), { lowest_tier: "certified" })
      assert.strictEqual((yield* policy("tier", "best")).code, 2)
      const { stdout } = yield* patela(variables, ["audit", "--json"])
      assert.include(stdout, "policy: endorsement key allowed")
      assert.include(stdout, "policy: lowest tier set")
      const key = (yield* patela(variables, ["keygen"])).stdout.trim()
      const server = { ...variables, PATELA_FIRST_V4: "192.0.2.10", PATELA_PREFIX_V4: "24", PATELA_BISCUIT_KEY: key }
      assert.include((yield* patela(server, ["run"])).stderr, "PATELA_EK_ROOTS")
      const none = yield* patela({ ...server, PATELA_EK_ROOTS: `${folder}/none` }, ["run"])
      assert.include(none.stderr, "cannot be read")
    }), TIMEOUT)
})
