import { assert, layer } from "@effect/vitest"
import { UID_BASE } from "@patela/domain/relay/Slot"
import { Context, Effect, Layer, Schema } from "effect"
import { enabledMission } from "../src/mission/enabledMission.ts"
import type { Mission } from "../src/mission/Mission.ts"
import { seeRelay, sightOf } from "../src/mission/observe.ts"
import { relaysOnRecord } from "../src/mission/RelayOnRecord.ts"
import { beyond, links, relayNetwork } from "../src/rig/Addresses.ts"
import { nodeBinary } from "../src/rig/Repository.ts"

/** One node with three relays on one IPv4 address, for the tests of this file, which tell its story in order. */
class Story extends Context.Service<Story, Mission>()("@patela/test/SharedAddressStory") {
  static readonly layer = Layer.effect(
    Story,
    enabledMission(3, { told: [["pool", "set", "relays-per-address", "3"]] })
  )
}

const SHARED = relayNetwork.firstV4

/** Talks TLS to a relay, as other relays do, or says why not. */
const GREET = `const tls = require("node:tls")
const socket = tls.connect({ host: process.argv[1], port: Number(process.argv[2]), rejectUnauthorized: false, timeout: 30000 })
const say = (text) => { console.log(text); process.exit(0) }
socket.on("secureConnect", () => say("greeted"))
socket.on("timeout", () => say("no answer"))
socket.on("error", (error) => say(error.code))`

/** Says a number every 20 ms to who connects. */
const TICK = `const net = require("node:net")
net.createServer((socket) => {
  console.log("from " + socket.remoteAddress.replace(/^::ffff:/, ""))
  let count = 0
  const timer = setInterval(() => socket.write(++count + "\\n"), 20)
  socket.on("close", () => clearInterval(timer))
  socket.on("error", () => socket.destroy())
}).listen(7777, "::", () => console.log("ready"))`

/** Listens to that, and goes on for as long as the one connection does. */
const LISTEN = `const socket = require("node:net").connect({ host: process.argv[1], port: 7777 })
socket.on("data", (data) => process.stdout.write(data))
socket.on("close", () => { console.log("closed"); process.exit(1) })
socket.on("error", (error) => console.log(error.message))`

const greet = Effect.fnUntraced(function*(port: number) {
  const { rig } = yield* Story
  return (yield* rig.far.namespace.execOk([nodeBinary, "--eval", GREET, SHARED, String(port)])).trim()
})

/** Which process listens on which port of the address. */
const listeners = Effect.fnUntraced(function*() {
  const { node } = yield* Story
  const text = yield* node.execOk(["ss", "-Hltnp", "src", SHARED])
  return new Map(
    text.trim().split("\n").filter(Boolean).map((line) => [/:(\d+) /.exec(line)?.[1], /pid=(\d+)/.exec(line)?.[1]])
  )
})

const mainPid = Effect.fnUntraced(function*(name: string) {
  const { node } = yield* Story
  return (yield* node.execOk(["systemctl", "show", "--value", "--property=MainPID", `tor@${name}`])).trim()
})

const inSync = Effect.fnUntraced(function*() {
  const { agent } = yield* Story
  const diff = yield* agent("diff")
  assert.strictEqual(diff.exitCode, 0, `${diff.stdout}${diff.stderr}`)
})

const reconcile = Effect.fnUntraced(function*() {
  const { agent } = yield* Story
  const { exitCode, stderr, stdout } = yield* agent("reconcile", "--wait", "0")
  assert.strictEqual(exitCode, 0, stdout + stderr)
})

/** Since when each unit runs, as what process. */
const processes = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const { node } = yield* Story
  const properties = "--property=Id,MainPID,InvocationID,ActiveState"
  return yield* node.execOk(["systemctl", "show", properties, ...names.map((name) => `tor@${name}`)])
})

const Plan = Schema.fromJsonString(Schema.Struct({
  changes: Schema.Array(
    Schema.Struct({ address: Schema.String, action: Schema.String, lines: Schema.Array(Schema.String) })
  )
}))

const Dropped = Schema.Struct({ packets: Schema.Int })

/** How many packets of relays were kept from leaving. */
const dropped = Effect.fnUntraced(function*() {
  const { node } = yield* Story
  const text = yield* node.execOk(["nft", "list", "chain", "inet", "patela", "guard"])
  return Schema.decodeUnknownSync(Dropped)({ packets: Number(/counter packets (\d+)/.exec(text)?.[1]) }).packets
})

const addresses = Effect.fnUntraced(function*() {
  const { node } = yield* Story
  return yield* node.execOk(["ip", "-4", "-brief", "address", "show", "dev", links.relay])
})

layer(Story.layer, { excludeTestServices: true, timeout: 600_000 })("relays on one IPv4 address", (it) => {
  it.effect("run, each on its port, and leave with the address that they have together", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const record = yield* relaysOnRecord(mission)
      assert.deepStrictEqual(record.map(({ ip_v4, or_port }) => `${ip_v4} ${or_port}`), [
        `${SHARED} 443`,
        `${SHARED} 9001`,
        `${SHARED} 9002`
      ])
      assert.strictEqual(new Set(record.map(({ ip_v6 }) => ip_v6)).size, 3)
      const listening = yield* listeners()
      for (const relay of record) {
        const { name, or_port } = relay
        assert.deepStrictEqual(yield* seeRelay(mission, relay), sightOf(relay))
        assert.strictEqual(listening.get(String(or_port)), yield* mainPid(name))
        assert.strictEqual(yield* greet(or_port), "greeted")
      }
      assert.strictEqual(listening.size, 3)
      assert.strictEqual((yield* addresses()).split(SHARED).length, 2)
      assert.strictEqual(yield* dropped(), 0)
      yield* inSync()
    }))

  it.effect("send what no process sends, as a reset, by the relay link", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* greet(9003), "ECONNREFUSED")
    }))

  it.effect("come back after somebody took the address away, and are looked after as before", () =>
    Effect.gen(function*() {
      const { agent, node } = yield* Story
      yield* node.execOk(["ip", "address", "del", `${SHARED}/${relayNetwork.prefixV4}`, "dev", links.relay])
      const { exitCode, stdout } = yield* agent("diff")
      assert.strictEqual(exitCode, 2, stdout)
      yield* reconcile()
      assert.include(yield* addresses(), SHARED)
      assert.strictEqual(yield* greet(9002), "greeted")
      yield* inSync()
    }))

  it.effect("go on undisturbed when the first of them is removed", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const { agent, node, rig } = mission
      const [first, ...others] = yield* relaysOnRecord(mission)
      if (first === undefined) return assert.fail("no relay")
      const ticking = yield* rig.far.namespace.start([nodeBinary, "--eval", TICK])
      yield* ticking.lineThat("the far side to listen", (line) => line === "ready")
      const heard = yield* Effect.forEach(others, ({ slot }) =>
        node.start(["/opt/patela/node", "--eval", LISTEN, beyond.v4], { user: UID_BASE + slot }))
      yield* Effect.forEach(heard, (one) =>
        one.lineThat("the first number", (line) => line === "1"))
      const monitor = yield* node.start(["ip", "-o", "monitor", "address"])
      const before = yield* processes(others.map(({ name }) => name))

      yield* mission.patela("relay", "remove", first.name, "--yes")
      const { changes } = yield* Schema.decodeEffect(Plan)((yield* agent("diff", "--json")).stdout)
      const network = changes.filter(({ address }) => /address|source-nat/.test(address))
      assert.deepStrictEqual(network.map(({ action, address }) => `${action} ${address}`).toSorted(), [
        `remove relay/${first.name}/address-v4`,
        `remove relay/${first.name}/address-v6`,
        `remove relay/${first.name}/source-nat`
      ])
      assert.deepInclude(network.find(({ address }) => address.endsWith("address-v4")), {
        lines: [`~ ${SHARED}/24 dev ${links.relay} stays for ${others.map(({ name }) => name).join(" ")}`]
      })
      yield* reconcile()

      assert.strictEqual(yield* processes(others.map(({ name }) => name)), before)
      const deleted = (yield* monitor.lines).filter((line) => line.startsWith("Deleted"))
      assert.isFalse(deleted.some((line) => line.includes(`${SHARED}/`)), deleted.join("\n"))
      for (const one of heard) {
        const count = Number((yield* one.lines).at(-1))
        yield* one.lineThat("the connection to go on", (line) => Number(line) >= count + 10)
        assert.notInclude(yield* one.lines, "closed")
      }
      const sources = (yield* ticking.lines).filter((line) => line.startsWith("from "))
      assert.deepStrictEqual(sources, [`from ${SHARED}`, `from ${SHARED}`])

      assert.strictEqual((yield* listeners()).get("443"), undefined)
      assert.strictEqual(yield* greet(443), "ECONNREFUSED")
      for (const relay of others) {
        const seen = yield* seeRelay(mission, relay)
        assert.deepStrictEqual([seen.unit, seen.sourceV4, seen.sourceV6], ["active", relay.ip_v4, relay.ip_v6])
        assert.strictEqual(yield* greet(relay.or_port), "greeted")
      }
      assert.strictEqual(yield* dropped(), 0)
      yield* inSync()
    }).pipe(Effect.scoped))

  it.effect("take the address along when the last of them goes, and others get another", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      for (const { name } of yield* relaysOnRecord(mission)) yield* mission.patela("relay", "remove", name, "--yes")
      yield* mission.patela("node", "set", "1", "relays", "1")
      yield* reconcile()
      const [relay] = yield* relaysOnRecord(mission)
      assert.deepStrictEqual([relay?.ip_v4, relay?.or_port], [
        SHARED.replace(/\d+$/, (host) => String(Number(host) + 1)),
        443
      ])
      const now = yield* addresses()
      assert.notInclude(now, `${SHARED}/`)
      assert.include(now, `${relay?.ip_v4}/`)
      assert.notInclude(yield* mission.node.execOk(["nft", "list", "table", "inet", "patela"]), `${SHARED} `)
      yield* inSync()
    }))
})
