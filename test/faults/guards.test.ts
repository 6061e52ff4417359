import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { copyFileSync, rmSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { enabledMission } from "../src/mission/enabledMission.ts"
import type { Mission } from "../src/mission/Mission.ts"
import { relaysOnRecord } from "../src/mission/RelayOnRecord.ts"

/** One mission for the tests of this file, which tell its story in order. */
class Story extends Context.Service<Story, Mission>()("@patela/test/GuardsStory") {
  static readonly layer = Layer.effect(Story, enabledMission(3, {}))
}

const reconcile = Effect.fnUntraced(function*(exitCode: number) {
  const { agent } = yield* Story
  const result = yield* agent("reconcile", "--wait", "0")
  assert.strictEqual(result.exitCode, exitCode, `${result.stdout}${result.stderr}`)
  return result.stderr
})

/** The server's database, away from it: a copy that is made while it is down, and put back likewise. */
const withServerDown = Effect.fnUntraced(function*(change: (database: string) => void) {
  const { server } = yield* Story
  yield* server.stop
  yield* Effect.sync(() => change(`${server.folder}/patela.db`))
  yield* server.start
})

const copyTo = (name: string) => (database: string) => copyFileSync(database, `${database}.${name}`)
const copyFrom = (name: string) => (database: string) => {
  for (const suffix of ["-wal", "-shm"]) rmSync(`${database}${suffix}`, { force: true })
  copyFileSync(`${database}.${name}`, database)
}

/** Which of these relays are on the node, each by everything that makes it one. */
const present = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const { node } = yield* Story
  return yield* Effect.filter(names, (name) =>
    Effect.gen(function*() {
      const there = yield* Effect.forEach(
        [
          ["systemctl", "is-active", `tor@${name}`],
          ["getent", "passwd", `_tor-${name}`],
          ["test", "-e", `/etc/tor/instances/${name}/torrc`],
          ["test", "-d", `/var/lib/tor-instances/${name}/keys`]
        ] as const,
        (argv) => Effect.map(node.exec(argv), ({ exitCode }) => exitCode === 0)
      )
      assert.isTrue(there.every((it) => it) || there.every((it) => !it), `${name} is there by halves: ${String(there)}`)
      return there.every((it) => it)
    }))
})

const addresses = Effect.fnUntraced(function*() {
  return yield* (yield* Story).node.execOk(["ip", "-o", "address", "show"])
})

layer(Story.layer, { excludeTestServices: true, timeout: 180_000 })("a mistake on the server", (it) => {
  it.effect("that loses most of a node's relays removes none of them", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const record = yield* relaysOnRecord(mission)
      const names = record.map(({ name }) => name)
      yield* withServerDown(copyTo("whole"))
      yield* mission.patela("node", "set", "1", "relays", "1")
      yield* withServerDown((database) => {
        using store = new DatabaseSync(database)
        store.exec("DELETE FROM relays WHERE slot > 0")
      })
      assert.lengthOf(yield* relaysOnRecord(mission), 1)
      const before = yield* addresses()
      const said = yield* reconcile(3)
      assert.match(said, /2 of 3 running relays would go at once and nobody took them off this node/)
      assert.match(said, /patela relay remove NAME/)
      assert.deepStrictEqual(yield* present(names), names)
      assert.strictEqual(yield* addresses(), before)
      yield* withServerDown(copyFrom("whole"))
      yield* reconcile(0)
      assert.deepStrictEqual(yield* present(names), names)
    }))

  it.effect("is no mistake where a person named the relays: they go", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      const [first, second, third] = yield* relaysOnRecord(mission)
      if (first === undefined || second === undefined || third === undefined) return assert.fail("three relays")
      for (const { name } of [second, third]) yield* mission.patela("relay", "remove", name, "--yes")
      yield* reconcile(0)
      assert.deepStrictEqual(yield* present([first.name, second.name, third.name]), [first.name])
      const left = yield* addresses()
      assert.include(left, first.ip_v4)
      for (const { ip_v4 } of [second, third]) assert.notInclude(left, ip_v4)
    }))

  it.effect("such as an old copy of its database removes nothing that is newer", () =>
    Effect.gen(function*() {
      const mission = yield* Story
      yield* withServerDown(copyTo("old"))
      yield* mission.patela("node", "set", "1", "relays", "2")
      yield* reconcile(0)
      const names = (yield* relaysOnRecord(mission)).map(({ name }) => name)
      assert.lengthOf(names, 2)
      yield* withServerDown(copyFrom("old"))
      assert.lengthOf(yield* relaysOnRecord(mission), 1)
      const said = yield* reconcile(3)
      assert.match(said, /is older than what this node already applied/)
      assert.deepStrictEqual(yield* present(names), names)
    }))
})
