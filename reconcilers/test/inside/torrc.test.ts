import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { nodeInput, relayAt } from "../NodeInput.ts"
import { addForeign, clear, converge, differing, failures, onHost, rights, run, stamp, teardown } from "./RelayHost.ts"

const fileOf = (name: string): string => `/etc/tor/instances/${name}/torrc`
const GOOD = nodeInput([relayAt(0, "toma"), relayAt(1, "robiola"), relayAt(2, "brie")], ["192.0.2.53"])
const withToma = (torrc: string) =>
  nodeInput([relayAt(0, "toma", torrc), relayAt(1, "robiola", "BandwidthRate 5 MB\n"), relayAt(2, "brie")], [
    "192.0.2.53"
  ])

describe("torrc", () => {
  it.live("writes files that tor takes and another relay cannot read", () =>
    onHost(Effect.gen(function*() {
      assert.deepStrictEqual(failures(yield* converge(GOOD)), {})
      const text = readFileSync(fileOf("toma"), "utf8")
      assert.match(text, /^Nickname toma$/m)
      assert.match(text, /^ORPort 198\.51\.100\.10:9001$/m)
      assert.match(text, /^ServerDNSResolvConfFile \/etc\/patela\/resolv\.conf$/m)
      assert.strictEqual(rights(fileOf("toma")), "640 0:50000")
      assert.deepStrictEqual(readdirSync("/etc/tor/instances/toma"), ["torrc"])
      assert.deepStrictEqual(readdirSync("/run/patela"), ["owned.json"])
      run("setpriv", "--reuid=50000", "--regid=50000", "--clear-groups", "cat", fileOf("toma"))
      assert.throws(() => run("setpriv", "--reuid=50001", "--regid=50001", "--clear-groups", "cat", fileOf("toma")))
      yield* teardown
    })))

  it.live("what tor or Patela refuses leaves the old file, and the other relays as they would have been", () =>
    onHost(Effect.gen(function*() {
      yield* converge(GOOD)
      const before = stamp(fileOf("toma"))
      const refused = {
        // Patela's own check, on the node too.
        "ServerTransportPlugin obfs4 exec /bin/true\n": "line 1",
        "ContactInfo a\nNoSuchOption 1\n": "line 2",
        // Tor's check: the names are fine, the values are not.
        "BandwidthRate -3\n": "tor refuses",
        "AccountingStart whenever\n": "tor refuses"
      }
      for (const [torrc, why] of Object.entries(refused)) {
        const failed = failures(yield* converge(withToma(torrc)))
        assert.deepStrictEqual(Object.keys(failed), ["relay/toma/torrc"], torrc)
        assert.include(failed["relay/toma/torrc"], why)
        assert.strictEqual(stamp(fileOf("toma")), before)
        assert.match(readFileSync(fileOf("robiola"), "utf8"), /^BandwidthRate 5 MB$/m)
      }
      assert.deepStrictEqual(readdirSync("/run/patela"), ["owned.json"])
      yield* teardown
    })))

  it.live("repairs text and mode, saying which lines but no secret", () =>
    onHost(Effect.gen(function*() {
      yield* converge(GOOD)
      appendFileSync(fileOf("toma"), "HashedControlPassword 16:C0FFEE\nBandwidthBurst 1 GB\n")
      chmodSync(fileOf("toma"), 0o666)
      assert.deepStrictEqual(yield* differing(GOOD), [
        "update relay/toma/torrc: - HashedControlPassword (sensitive, changed); - BandwidthBurst 1 GB; mode 0666 -> 0640"
      ])
      assert.deepStrictEqual(failures(yield* converge(GOOD)), {})
      assert.strictEqual(rights(fileOf("toma")), "640 0:50000")
      assert.deepStrictEqual(yield* differing(GOOD), [])
      // Even a file that lost its header is Patela's, for the instance is in the ledger.
      writeFileSync(fileOf("toma"), "SocksPort 9050\n")
      assert.deepStrictEqual(failures(yield* converge(GOOD)), {})
      yield* teardown
      assert.isFalse(existsSync(fileOf("toma")))
    })))

  it.live("a torrc that Patela did not write is neither replaced nor removed", () =>
    onHost(Effect.gen(function*() {
      addForeign("_tor-toma", 50_000)
      mkdirSync("/etc/tor/instances/toma", { recursive: true, mode: 0o755 })
      mkdirSync("/var/lib/tor-instances/toma/keys", { recursive: true })
      for (const path of ["/var/lib/tor-instances/toma", "/var/lib/tor-instances/toma/keys"]) {
        run("chown", "50000:50000", path)
        chmodSync(path, 0o2700)
      }
      writeFileSync(fileOf("toma"), "SocksPort 0\n")
      try {
        const failed = failures(yield* converge(GOOD))
        assert.deepStrictEqual(Object.keys(failed), ["relay/toma/torrc"])
        assert.include(failed["relay/toma/torrc"], "not written by Patela")
        yield* teardown
        assert.strictEqual(readFileSync(fileOf("toma"), "utf8"), "SocksPort 0\n")
        assert.include(readFileSync("/etc/passwd", "utf8"), "_tor-toma:")
      } finally {
        run("userdel", "_tor-toma")
        clear("/etc/tor/instances/toma", "/var/lib/tor-instances/toma")
      }
    })))

  it.live("Debian's unit starts and reloads with it, and tor leaves everything as it was put", () =>
    onHost(Effect.gen(function*() {
      const torrc = "ShutdownWaitLength 1\nAssumeReachable 1\n"
      run("ip", "link", "set", "lo", "up")
      run("ip", "addr", "replace", "198.51.100.10/32", "dev", "lo")
      run("ip", "addr", "replace", "2001:db8::a/128", "dev", "lo", "nodad")
      const input = nodeInput([relayAt(0, "toma", torrc)], ["192.0.2.53"])
      assert.deepStrictEqual(failures(yield* converge(input)), {})
      try {
        run("systemctl", "start", "tor@toma")
        assert.isTrue(existsSync("/var/lib/tor-instances/toma/keys/secret_id_key"))
        assert.deepStrictEqual(yield* differing(input), [])
        const pid = run("systemctl", "show", "-P", "MainPID", "tor@toma").trim()
        const changed = nodeInput([relayAt(0, "toma", `${torrc}BandwidthRate 5 MB\n`)], ["192.0.2.53"])
        assert.deepStrictEqual(failures(yield* converge(changed)), {})
        // Tor reads the file as the relay's user now; if it could not, it would be gone a moment later.
        process.kill(Number(pid), "SIGHUP")
        const log = () => run("journalctl", "-u", "tor@toma", "-o", "cat", "--no-pager")
        const deadline = Date.now() + 30_000
        while (!/Received reload signal/.test(log()) && Date.now() < deadline) yield* Effect.sleep("100 millis")
        yield* Effect.sleep("500 millis")
        assert.strictEqual(run("systemctl", "show", "-P", "MainPID", "tor@toma").trim(), pid)
        assert.strictEqual(run("systemctl", "is-active", "tor@toma").trim(), "active")
        assert.deepStrictEqual(yield* differing(changed), [])
        // While tor runs, its account cannot be removed; the failure says so.
        const failed = failures(yield* converge(nodeInput([])))
        assert.match(failed["relay/toma/account"] ?? "", /userdel.*used by process/s)
      } finally {
        run("systemctl", "stop", "tor@toma")
        run("ip", "addr", "flush", "dev", "lo", "scope", "global")
      }
      assert.deepStrictEqual(failures(yield* teardown), {})
      assert.deepStrictEqual(yield* differing(nodeInput([])), [])
    })))
})
