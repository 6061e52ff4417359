import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { CHEESES } from "../src/faults/faultConfig.ts"
import { FaultHost } from "../src/faults/FaultHost.ts"

class Host extends Context.Service<Host, FaultHost>()("@patela/test/DiskHost") {
  static readonly layer = Layer.effect(Host, FaultHost.make())
}

/** Puts a small file system of its own over a directory, with what was there, and fills it to the last byte. */
const FILL = `set -e
mkdir -p "$1"
cp -a "$1" /root/kept
mount -t tmpfs -o size="$2",mode="$(stat -c %a "$1")" tmpfs "$1"
cp -a /root/kept/. "$1"
rm -r /root/kept
cat /dev/zero > "$1/.fill" 2> /dev/null || true
`

const DIRECTORIES = ["/etc/tor/instances", "/var/lib/tor-instances", "/run/patela", "/etc/patela"] as const

/** Files that were begun and not ended: temporary ones, and torrcs without their last line. */
const TORN = `find /etc/tor/instances /etc/patela /run/patela /var/lib/tor-instances -name '.*' -type f ! -name .fill
for f in /etc/tor/instances/*/torrc; do [ -e "$f" ] && [ "$(tail -c 1 "$f" | od -An -c | tr -d ' ')" != '\\n' ] && echo "$f"
done
for f in /run/patela/*.json; do [ -e "$f" ] && [ "$(tail -c 1 "$f" | tr -d '\\n}')" != "" ] && echo "$f"; done
true`

layer(Host.layer, { excludeTestServices: true, timeout: 180_000 })("a disk that is full", (it) => {
  for (const directory of DIRECTORIES) {
    it.effect(`at ${directory}: nothing is torn, the message says where, and with space again all is well`, () =>
      Effect.gen(function*() {
        const { config, foreign, node, settle, unharmed } = yield* Host
        const { node: machine } = node.mission
        const wanted = config({ relays: CHEESES })
        yield* node.reset
        yield* machine.execOk(["sh", "-c", FILL, "fill", directory, "16k"])
        const before = yield* foreign
        const [answer] = yield* node.passes(wanted, 1)
        assert.notStrictEqual(answer?.verdict, "converged")
        assert.match(answer?.troubles.join("\n") ?? "", new RegExp(`${directory}.*(ENOSPC|no space)`, "i"))
        assert.strictEqual(yield* machine.execOk(["sh", "-c", TORN]), "")
        yield* unharmed(before, directory)
        yield* machine.execOk(["mount", "-o", "remount,size=16m", directory])
        yield* machine.execOk(["rm", `${directory}/.fill`])
        yield* settle(wanted, directory)
        assert.strictEqual(yield* machine.execOk(["sh", "-c", TORN]), "")
        yield* unharmed(before, directory)
      }))
  }

  it.effect("while relays run: they run on, and an update comes when there is space", () =>
    Effect.gen(function*() {
      const { config, foreign, node, settle, unharmed } = yield* Host
      const { node: machine } = node.mission
      yield* node.reset
      yield* settle(config({ relays: CHEESES }), "before")
      const units = [
        "systemctl",
        "show",
        "--property=ActiveState,MainPID",
        ...CHEESES.map((name) => `tor@${name}`)
      ] as const
      const running = yield* machine.execOk(units)
      yield* machine.execOk(["sh", "-c", FILL, "fill", "/etc/tor/instances", "64k"])
      const before = yield* foreign
      const wanted = config({ relays: CHEESES, contact: "x".repeat(200) })
      const [answer] = yield* node.passes(wanted, 1)
      assert.match(answer?.troubles.join("\n") ?? "", /ENOSPC|no space/i)
      assert.strictEqual(yield* machine.execOk(units), running)
      assert.strictEqual(yield* machine.execOk(["sh", "-c", TORN]), "")
      yield* machine.execOk(["rm", "/etc/tor/instances/.fill"])
      yield* settle(wanted, "after")
      yield* unharmed(before, "after")
    }))
})
