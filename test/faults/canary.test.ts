import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { ToolFaults } from "../src/faults/ToolFaults.ts"
import { enabledMission } from "../src/mission/enabledMission.ts"
import type { Mission } from "../src/mission/Mission.ts"
import { relaysOnRecord } from "../src/mission/RelayOnRecord.ts"

/** Everything that was written where people and programs may read it, as bytes: place and content. */
type Places = Map<string, Buffer>

/** One mission for the tests of this file, which tell its story in order. */
class Story extends Context.Service<Story, { readonly mission: Mission; readonly places: Places }>()(
  "@patela/test/CanaryStory"
) {
  static readonly layer = Layer.effect(
    Story,
    Effect.map(enabledMission(2, { byTpmTools: true }), (mission) => Story.of({ mission, places: new Map() }))
  )
}

/** What nobody parks in a torrc on purpose, and what some do: beside an option that is fine. */
const CANARY = "canary-7b1f9c2ad4"

/** The bytes of a secret as they are, and as text in hex or base64, the latter wherever its first byte may stand. */
const formsOf = (name: string, secret: Buffer): ReadonlyArray<readonly [name: string, form: Buffer]> => {
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), secret]).toString("base64")
    return text.slice(shift === 0 ? 0 : 4, secret.length * 4 / 3 - 4)
  })
  const hex = secret.toString("hex")
  return [
    [name, secret],
    [`${name} in hex`, Buffer.from(hex)],
    [`${name} in HEX`, Buffer.from(hex.toUpperCase())],
    ...base64.flatMap((text): ReadonlyArray<readonly [string, Buffer]> => [
      [`${name} in base64`, Buffer.from(text)],
      [`${name} in base64url`, Buffer.from(text.replaceAll("+", "-").replaceAll("/", "_"))]
    ])
  ]
}

/** A file of the node as bytes. */
const bytesOf = Effect.fnUntraced(function*(path: string) {
  const { mission } = yield* Story
  return Buffer.from((yield* mission.node.execOk(["base64", "--wrap=0", path])).trim(), "base64")
})

/** Runs the agent and keeps all that it wrote. */
const agent = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const { mission, places } = yield* Story
  const { stderr, stdout } = yield* mission.agent(...args)
  const place = `patela-agent ${args.join(" ")}`
  places.set(place, Buffer.concat([places.get(place) ?? Buffer.alloc(0), Buffer.from(stdout + stderr)]))
})

const assertNowhere = (places: Places, secrets: ReadonlyArray<readonly [name: string, form: Buffer]>) => {
  const found = [...places].flatMap(([place, content]) =>
    secrets.filter(([, form]) => content.includes(form)).map(([name]) => `${name} in ${place}`)
  )
  assert.deepStrictEqual([...new Set(found)], [])
}

layer(Story.layer, { excludeTestServices: true, timeout: 180_000 })("secrets", (it) => {
  it.effect("pass through a node that is set up, changed, watched, broken and looked at", () =>
    Effect.gen(function*() {
      const { mission, places } = yield* Story
      const { node } = mission
      yield* ToolFaults.install(node)
      yield* ToolFaults.record(node)
      yield* node.execOk(["rm", "--force", "/run/patela/token"])
      yield* agent("reconcile", "--wait", "0")
      const torrc = `ContactInfo "nobody"\nExitPolicy reject *:*\nShutdownWaitLength 1\n# ${CANARY}\n`
      yield* mission.server.cli(["torrc", "import", "/dev/stdin", "default"], { stdin: torrc })
      yield* agent("diff")
      yield* agent("diff", "--json")
      yield* agent("reconcile", "--wait", "0")
      const [first] = yield* relaysOnRecord(mission)
      const name = first?.name ?? ""
      const file = `/etc/tor/instances/${name}/torrc`
      yield* node.execOk(["sh", "-c", `echo 'HTTPSProxyAuthenticator user:${CANARY}' >> ${file}`])
      yield* agent("diff")
      yield* agent("diff", "--json")
      yield* agent("reconcile", "--wait", "0")
      // Keys that are damaged, keys that the store contradicts, and tools that fail on the way.
      const keys = `/var/lib/tor-instances/${name}/keys`
      yield* node.execOk(["truncate", "--size=90", `${keys}/ed25519_master_id_secret_key`])
      yield* agent("diff")
      yield* ToolFaults.plan(node, [{ tool: "tpm2", call: 1, fault: "half" }])
      yield* agent("reconcile", "--wait", "0")
      yield* ToolFaults.plan(node, [{ tool: "tor", call: "*", fault: "fail" }])
      yield* agent("reconcile", "--wait", "0")
      yield* ToolFaults.clear(node)
      yield* agent("reconcile", "--wait", "0")
      yield* agent("status")
      yield* agent("status", "--json")
      yield* agent("tpm", "status")
      yield* agent("config")
      yield* node.execOk(["systemctl", "start", "patela-agent-watch.service"])
      yield* node.exec(["systemctl", "stop", `tor@${name}`])
      yield* Effect.sleep("2 seconds")
      yield* node.execOk(["systemctl", "stop", "patela-agent-watch.service"])
      for (const args of [["list", "all"], ["list", "relay", "--json"], ["node", "show", "1", "--json"], ["audit"]]) {
        const { stderr, stdout } = yield* mission.server.cli(args)
        places.set(`patela ${args.join(" ")}`, Buffer.from(stdout + stderr))
      }
      places.set("the node's journal", Buffer.from(yield* node.execOk(["journalctl", "--no-pager", "--output=export"])))
      places.set("arguments and environments", yield* bytesOf("/run/faults/record"))
      for (const file of ["status", "agent", "owned", "units"]) {
        places.set(`/run/patela/${file}.json`, yield* bytesOf(`/run/patela/${file}.json`))
      }
      places.set("the server's log", Buffer.from((yield* mission.server.lines).join("\n")))
      for (const [place, content] of places) if (!place.includes("diff")) assert.isNotEmpty(content, place)
    }))

  it.effect("identity keys, the session's token and the activated key are in none of these places, nor on the server", () =>
    Effect.gen(function*() {
      const { mission, places } = yield* Story
      const secrets: Array<readonly [string, Buffer]> = []
      for (const { name } of yield* relaysOnRecord(mission)) {
        const keys = `/var/lib/tor-instances/${name}/keys`
        const ed25519 = (yield* bytesOf(`${keys}/ed25519_master_id_secret_key`)).subarray(32)
        assert.lengthOf(ed25519, 64)
        secrets.push(...formsOf(`the ed25519 key of ${name}`, ed25519.subarray(0, 32)))
        const rsa = (yield* bytesOf(`${keys}/secret_id_key`)).toString("latin1")
        // The lines of the middle of the PEM file: the private parts.
        for (const line of rsa.split("\n").slice(5, 10)) secrets.push([`the RSA key of ${name}`, Buffer.from(line)])
      }
      const token = yield* bytesOf("/run/patela/token")
      secrets.push(
        ["the token", token.subarray(40, 80)],
        ...formsOf("the token's bytes", Buffer.from(token.toString(), "base64url").subarray(60, 100))
      )
      const activated = yield* bytesOf("/run/faults/activated")
      assert.isAtLeast(activated.length, 32)
      for (let at = 0; at + 32 <= activated.length; at += 32) {
        secrets.push(...formsOf("the activated key", activated.subarray(at, at + 32)))
      }
      const everywhere: Places = new Map(places)
      for (const file of readdirSync(mission.server.folder).filter((name) => name.startsWith("patela.db"))) {
        everywhere.set(`the server's ${file}`, readFileSync(`${mission.server.folder}/${file}`))
      }
      assertNowhere(everywhere, secrets)
      // What is looked for would be found, as bytes and as text that begins at any byte.
      const key = activated.subarray(0, 32)
      for (const shift of [0, 1, 2]) {
        const around = Buffer.concat([Buffer.alloc(shift, 7), key, Buffer.alloc(3, 9)])
        for (const text of ["hex", "base64", "base64url"] as const) {
          const control: Places = new Map([["a control", Buffer.from(around.toString(text))]])
          assert.throws(() => assertNowhere(control, secrets))
        }
      }
    }))

  it.effect("what stands in a comment of a torrc, or in an option that nobody may use, is in none of them", () =>
    Effect.gen(function*() {
      const { places } = yield* Story
      assertNowhere(places, [[CANARY, Buffer.from(CANARY)]])
    }))
})
