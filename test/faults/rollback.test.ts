import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import { enabledMission } from "../src/mission/enabledMission.ts"
import type { Mission } from "../src/mission/Mission.ts"
import { seeRelay } from "../src/mission/observe.ts"
import { relaysOnRecord } from "../src/mission/RelayOnRecord.ts"
import { links, management, relayNetwork } from "../src/rig/Addresses.ts"

/** One mission for the tests of this file, which tell its story in order. */
class Story extends Context.Service<Story, Mission>()("@patela/test/RollbackStory") {
  static readonly layer = Layer.effect(Story, enabledMission(2, {}))
}

const reconcile = Effect.fnUntraced(function*(exitCode: number, ...flags: ReadonlyArray<string>) {
  const { agent } = yield* Story
  const result = yield* agent("reconcile", "--wait", "0", ...flags)
  assert.strictEqual(result.exitCode, exitCode, `${result.stdout}${result.stderr}`)
  return result.stderr
})

/** What the network kinds and the relays have on the node; link-local addresses are the kernel's, and come when they come. */
const network = Effect.fnUntraced(function*() {
  const { node } = yield* Story
  const looks = [
    ["nft", "--stateless", "list", "ruleset"],
    ["ip", "-o", "address", "show"],
    ["ip", "rule"],
    ["ip", "-6", "rule"],
    ["ip", "route", "show", "table", "all"],
    ["systemctl", "show", "--property=InvocationID,MainPID", "tor@*"]
  ] as const
  return yield* Effect.forEach(
    looks,
    (argv) => Effect.map(node.execOk(argv), (text) => text.split("\n").filter((line) => !line.includes("fe80::")))
  )
})

const Status = Schema.fromJsonString(Schema.Struct({
  verdict: Schema.String,
  rolled_back: Schema.NullOr(Schema.String),
  relays: Schema.Array(Schema.Struct({ name: Schema.String, state: Schema.String }))
}))

const status = Effect.fnUntraced(function*() {
  const { stdout } = yield* (yield* Story).agent("status", "--json")
  return yield* Schema.decodeEffect(Status)(stdout)
})

const NodeShown = Schema.fromJsonString(
  Schema.Struct({
    configuration: Schema.Struct({ state: Schema.String, rolled_back: Schema.NullOr(Schema.String) })
  })
)

const onServer = Effect.fnUntraced(function*() {
  const text = yield* (yield* Story).patela("node", "show", "1", "--json")
  return (yield* Schema.decodeEffect(NodeShown)(text)).configuration
})

const sources = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const mission = yield* Story
  const record = (yield* relaysOnRecord(mission)).filter(({ name }) => names.includes(name))
  return yield* Effect.forEach(record, (relay) => seeRelay(mission, relay))
})

/** Where the server gives addresses from, and the router of that network. */
interface Pool {
  readonly first: string
  readonly prefix: number
  readonly gateway: string
}

/** A pool that begins at the server's own address: a slip of an operator. */
const WRONG: Pool = { first: management.serverV4, prefix: management.prefixV4, gateway: "192.0.2.254" }
const RIGHT: Pool = { first: relayNetwork.firstV4, prefix: relayNetwork.prefixV4, gateway: relayNetwork.gatewayV4 }

const restartServer = Effect.fnUntraced(function*({ first, gateway, prefix }: Pool) {
  const { patela, server } = yield* Story
  yield* server.stop
  yield* server.configure({ PATELA_FIRST_V4: first, PATELA_PREFIX_V4: String(prefix) })
  const v6 = relayNetwork.gatewayV6
  yield* patela("network", "set", "--gateway-v4", gateway, "--gateway-v6", v6, "--dns", relayNetwork.gatewayV4)
  yield* server.start
})

layer(Story.layer, { excludeTestServices: true, timeout: 180_000 })("a configuration that cuts the node off", (it) => {
  it.effect("is taken back, and the old relays are as they were", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const old = (yield* relaysOnRecord(mission)).map(({ name }) => name)
      const before = yield* network()
      const seen = yield* sources(old)
      yield* restartServer(WRONG)
      yield* mission.patela("node", "set", "1", "relays", "3")
      const said = yield* reconcile(4)
      assert.include(said, "cut this node off from its server")
      assert.deepStrictEqual((yield* relaysOnRecord(mission)).at(-1)?.ip_v4, management.serverV4)
      assert.deepStrictEqual(yield* network(), before)
      assert.deepStrictEqual(yield* sources(old), seen)
      assert.notInclude(yield* mission.node.execOk(["ip", "address", "show", "dev", links.relay]), management.serverV4)
    }))

  it.effect("is said by status and known to the server, which is within reach", () =>
    Effect.gen(function*() {
      const said = yield* status()
      assert.strictEqual(said.verdict, "rolled back")
      assert.match(said.rolled_back ?? "", /no new connection to https:\/\/192\.0\.2\.1:8020/)
      const text = yield* (yield* Story).agent("status")
      assert.match(text.stdout, /rolled back: no new connection/)
      const { rolled_back, state } = yield* onServer()
      assert.strictEqual(state, "rolled back")
      assert.match(rolled_back ?? "", /no new connection/)
    }))

  it.effect("is not tried again by itself, and nothing is written meanwhile", () =>
    Effect.gen(function*() {
      const before = yield* network()
      yield* reconcile(4)
      assert.deepStrictEqual(yield* network(), before)
    }))

  it.effect("is tried again when a person says so", () =>
    Effect.gen(function*() {
      const { node } = yield* Story
      const before = yield* network()
      yield* node.execOk(["sh", "-c", `(timeout 30 ip monitor address > /run/monitor) < /dev/null > /dev/null 2>&1 &`])
      yield* Effect.sleep("300 millis")
      const said = yield* reconcile(4, "--retry-rolled-back")
      assert.include(said, "cut this node off from its server")
      assert.include(yield* node.execOk(["cat", "/run/monitor"]), management.serverV4, "it was really tried")
      assert.deepStrictEqual(yield* network(), before)
    }))

  it.effect("an agent that is killed in the middle of the trial leaves it to the next, which takes it back", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const { environment, node } = mission
      const before = yield* network()
      yield* Effect.scoped(Effect.gen(function*() {
        const run = yield* node.start(["/opt/patela/patela-agent", "reconcile", "--wait", "0", "--retry-rolled-back"], {
          env: environment
        })
        const cutOff = Effect.map(
          node.execOk(["ip", "-4", "address", "show", "dev", links.relay]),
          (text) => text.includes(management.serverV4)
        )
        for (let tries = 0; tries < 500 && !(yield* cutOff); tries++) yield* Effect.sleep("10 millis")
        yield* run.end("SIGKILL")
      }))
      assert.include(yield* node.execOk(["ip", "address", "show", "dev", links.relay]), management.serverV4)
      yield* reconcile(4)
      assert.deepStrictEqual(yield* network(), before)
    }))

  it.effect("once mended on the server, is forgotten", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const wrong = (yield* relaysOnRecord(mission)).at(-1)
      yield* mission.patela("relay", "remove", wrong?.name ?? "", "--yes")
      yield* restartServer(RIGHT)
      yield* mission.patela("node", "set", "1", "relays", "3")
      yield* reconcile(0)
      assert.strictEqual((yield* onServer()).state, "current")
      assert.strictEqual((yield* status()).rolled_back, null)
      const record = yield* relaysOnRecord(mission)
      assert.lengthOf(record, 3)
      for (const relay of record) {
        const seen = yield* seeRelay(mission, relay)
        assert.deepStrictEqual([seen.unit, seen.sourceV4, seen.sourceV6], ["active", relay.ip_v4, relay.ip_v6])
      }
    }))
})
