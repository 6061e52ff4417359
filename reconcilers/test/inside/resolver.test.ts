import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { nodeInput } from "../NodeInput.ts"
import { clear, converge, differing, failures, onHost, rights, stamp, teardown } from "./RelayHost.ts"

const FILE = "/etc/patela/resolv.conf"

describe("resolver", () => {
  it.live("writes name servers to a file of its own, keeps it so, and removes it when none are wanted", () =>
    onHost(Effect.gen(function*() {
      const input = nodeInput([], ["192.0.2.53", "2001:db8::53"])
      const hosts = existsSync("/etc/resolv.conf") ? stamp("/etc/resolv.conf") : "none"
      assert.deepStrictEqual(failures(yield* converge(input)), {})
      assert.match(readFileSync(FILE, "utf8"), /^#[^\n]*\nnameserver 192\.0\.2\.53\nnameserver 2001:db8::53\n$/)
      assert.strictEqual(rights(FILE), "644 0:0")
      const before = stamp(FILE)
      yield* converge(input)
      assert.strictEqual(stamp(FILE), before)

      const changed = nodeInput([], ["192.0.2.54", "2001:db8::53"])
      assert.deepStrictEqual(yield* differing(changed), [
        "update node/resolver: - nameserver 192.0.2.53; + nameserver 192.0.2.54"
      ])
      yield* converge(changed)
      assert.include(readFileSync(FILE, "utf8"), "192.0.2.54")
      yield* teardown
      assert.isFalse(existsSync(FILE))
      assert.strictEqual(existsSync("/etc/resolv.conf") ? stamp("/etc/resolv.conf") : "none", hosts)
    })))

  it.live("a file of somebody else's stays", () =>
    onHost(Effect.gen(function*() {
      yield* converge(nodeInput([], ["192.0.2.53"]))
      writeFileSync(FILE, "nameserver 192.0.2.1\n")
      const failed = failures(yield* converge(nodeInput([], ["192.0.2.53"])))
      assert.include(failed["node/resolver"], "not Patela's")
      yield* teardown
      assert.strictEqual(readFileSync(FILE, "utf8"), "nameserver 192.0.2.1\n")
      clear("/etc/patela")
    })))
})
