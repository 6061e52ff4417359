import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { nodeInput, relayAt } from "../NodeInput.ts"
import { clear, converge, differing, failures, onHost, rights, stamp, teardown } from "./RelayHost.ts"

const TWO = nodeInput([relayAt(0, "toma"), relayAt(1, "robiola")])
const STATE = "/var/lib/tor-instances/toma"

describe("directories", () => {
  it.live("repairs modes and owners, and nothing besides", () =>
    onHost(Effect.gen(function*() {
      yield* converge(TWO)
      assert.strictEqual(rights(STATE), "2700 50000:50000")
      assert.strictEqual(rights(`${STATE}/keys`), "2700 50000:50000")
      assert.strictEqual(rights("/etc/tor/instances/toma"), "755 0:0")
      chmodSync(`${STATE}/keys`, 0o755)
      chownSync(STATE, 0, 0)
      chmodSync("/var/lib/tor-instances", 0o700)
      rmSync("/etc/tor/instances/toma", { recursive: true })
      const other = stamp("/var/lib/tor-instances/robiola/keys")
      const lines = yield* differing(TWO)
      assert.include(lines[0], "/var/lib/tor-instances/toma: 2700 0:0 -> 2700 50000:50000")
      assert.include(lines[0], "/var/lib/tor-instances/toma/keys: 0755 50000:50000 -> 2700 50000:50000")
      assert.include(lines[0], "/etc/tor/instances/toma is missing")
      assert.deepStrictEqual(failures(yield* converge(TWO)), {})
      assert.strictEqual(rights(STATE), "2700 50000:50000")
      assert.strictEqual(rights(`${STATE}/keys`), "2700 50000:50000")
      assert.strictEqual(rights("/var/lib/tor-instances"), "755 0:0")
      assert.strictEqual(stamp("/var/lib/tor-instances/robiola/keys"), other)
      assert.deepStrictEqual(yield* differing(TWO), [])
      yield* teardown
    })))

  it.live("follows no link, neither to change rights nor to remove", () =>
    onHost(Effect.gen(function*() {
      mkdirSync("/srv/precious", { recursive: true, mode: 0o755 })
      writeFileSync("/srv/precious/file", "kept")
      try {
        yield* converge(TWO)
        rmSync(`${STATE}/keys`, { recursive: true })
        symlinkSync("/srv/precious", `${STATE}/keys`)
        const before = stamp("/srv/precious")
        const failed = failures(yield* converge(TWO))
        assert.deepStrictEqual(Object.keys(failed), ["relay/toma/directories"])
        assert.include(failed["relay/toma/directories"], "is a link")
        assert.deepStrictEqual(failures(yield* teardown), {})
        assert.isFalse(existsSync(STATE))
        assert.strictEqual(stamp("/srv/precious"), before)
        assert.strictEqual(readFileSync("/srv/precious/file", "utf8"), "kept")
      } finally {
        clear("/srv/precious")
      }
    })))
})
