import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { nodeInput, relayAt } from "../NodeInput.ts"
import { addForeign, clear, converge, differing, failures, onHost, run, stamp, teardown } from "./RelayHost.ts"

const THREE = nodeInput([relayAt(0, "toma"), relayAt(1, "robiola"), relayAt(7, "brie")])

const passwdLine = (name: string): string =>
  readFileSync("/etc/passwd", "utf8").split("\n").find((line) => line.startsWith(`${name}:`)) ?? ""

describe("accounts", () => {
  it.live("makes accounts with the UIDs of the slots, and takes them away", () =>
    onHost(Effect.gen(function*() {
      assert.deepStrictEqual(failures(yield* converge(THREE)), {})
      assert.match(
        passwdLine("_tor-toma"),
        /^_tor-toma:x:50000:50000:[^:]*:\/var\/lib\/tor-instances\/toma:\/usr\/sbin\/nologin$/
      )
      assert.match(passwdLine("_tor-robiola"), /:50001:50001:/)
      assert.match(passwdLine("_tor-brie"), /:50007:50007:/)
      assert.strictEqual(run("id", "-gn", "_tor-brie").trim(), "_tor-brie")
      assert.match(run("getent", "shadow", "_tor-toma"), /^_tor-toma:!/)
      assert.strictEqual(
        run("stat", "-c", "%a %U", "/run/patela/owned.json", "/run/patela").trim(),
        "600 root\n700 root"
      )
      assert.deepStrictEqual(yield* differing(THREE), [])

      assert.deepStrictEqual(failures(yield* teardown), {})
      for (const name of ["toma", "robiola", "brie"]) {
        assert.strictEqual(passwdLine(`_tor-${name}`), "")
        assert.isFalse(readFileSync("/etc/group", "utf8").includes(`_tor-${name}:`))
        assert.isFalse(existsSync(`/var/lib/tor-instances/${name}`))
        assert.isFalse(existsSync(`/etc/tor/instances/${name}`))
      }
      assert.deepStrictEqual(JSON.parse(readFileSync("/run/patela/owned.json", "utf8")), {
        version: 1,
        accounts: [],
        addresses: [],
        instances: []
      })
    })))

  it.live("a second apply writes nothing", () =>
    onHost(Effect.gen(function*() {
      yield* converge(THREE)
      const paths = [
        "/etc/passwd",
        "/etc/group",
        "/etc/shadow",
        "/run/patela/owned.json",
        "/etc/tor/instances",
        "/var/lib/tor-instances",
        ...["toma", "robiola", "brie"].flatMap((name) => [
          `/etc/tor/instances/${name}`,
          `/etc/tor/instances/${name}/torrc`,
          `/var/lib/tor-instances/${name}`,
          `/var/lib/tor-instances/${name}/keys`
        ])
      ]
      const before = paths.map(stamp)
      const outcomes = yield* converge(THREE)
      assert.deepStrictEqual(paths.map(stamp), before)
      assert.strictEqual(outcomes.size, 0)
      yield* teardown
    })))

  it.live("repairs shell and home of an account of its own, and what was half made", () =>
    onHost(Effect.gen(function*() {
      yield* converge(THREE)
      run("usermod", "--shell", "/bin/sh", "--home", "/tmp", "_tor-toma")
      run("userdel", "_tor-brie")
      assert.deepStrictEqual((yield* differing(THREE)).map((line) => line.split(":")[0]), [
        "update relay/toma/account",
        "create relay/brie/account"
      ])
      assert.deepStrictEqual(failures(yield* converge(THREE)), {})
      assert.match(passwdLine("_tor-toma"), /:\/var\/lib\/tor-instances\/toma:\/usr\/sbin\/nologin$/)
      assert.match(passwdLine("_tor-brie"), /:50007:50007:/)
      yield* teardown
    })))

  it.live("a foreign account and a foreign instance survive all of it, and block one relay alone", () =>
    onHost(Effect.gen(function*() {
      addForeign("_tor-robiola", 777)
      addForeign("visitor", 50_007)
      addForeign("_tor-gouda", 50_100)
      mkdirSync("/etc/tor/instances/gouda", { recursive: true })
      mkdirSync("/var/lib/tor-instances/gouda/keys", { recursive: true })
      writeFileSync("/etc/tor/instances/gouda/torrc", "SocksPort 0\n")
      const foreign = [
        "/etc/tor/instances/gouda",
        "/etc/tor/instances/gouda/torrc",
        "/var/lib/tor-instances/gouda",
        "/var/lib/tor-instances/gouda/keys"
      ]
      const before = foreign.map(stamp)
      const accounts = ["_tor-robiola", "visitor", "_tor-gouda"].map(passwdLine)
      try {
        const failed = failures(yield* converge(THREE))
        assert.deepStrictEqual(Object.keys(failed), ["relay/robiola/account", "relay/brie/account"])
        assert.include(failed["relay/robiola/account"], "UID 777 and not 50001")
        assert.include(failed["relay/brie/account"], "UID 50007 belongs to visitor")
        assert.isTrue(existsSync("/etc/tor/instances/toma/torrc"))
        assert.isFalse(existsSync("/etc/tor/instances/brie"))

        // The next configuration wants a relay by the name of the foreign instance, and the one after nothing at all.
        const gouda = failures(yield* converge(nodeInput([relayAt(100, "gouda")])))
        assert.include(gouda["relay/gouda/directories"], "left alone")
        assert.deepStrictEqual(failures(yield* teardown), {})

        assert.deepStrictEqual(foreign.map(stamp), before)
        assert.deepStrictEqual(["_tor-robiola", "visitor", "_tor-gouda"].map(passwdLine), accounts)
        assert.strictEqual(passwdLine("_tor-toma"), "")
      } finally {
        for (const user of ["_tor-robiola", "visitor", "_tor-gouda"]) run("userdel", user)
        clear("/etc/tor/instances/gouda", "/var/lib/tor-instances/gouda")
      }
    })))

  it.live("a damaged ledger stops everything and says where", () =>
    onHost(Effect.gen(function*() {
      yield* converge(THREE)
      const ledger = readFileSync("/run/patela/owned.json", "utf8")
      writeFileSync("/run/patela/owned.json", ledger.slice(0, -20))
      const error = yield* Effect.flip(converge(nodeInput([])))
      assert.include(error.message, "/run/patela/owned.json")
      assert.notStrictEqual(passwdLine("_tor-toma"), "")
      writeFileSync("/run/patela/owned.json", ledger)
      yield* teardown
      assert.strictEqual(passwdLine("_tor-toma"), "")
      rmSync("/run/patela/owned.json")
    })))
})
