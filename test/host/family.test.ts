import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { DatabaseSync } from "node:sqlite"
import { enabledMission } from "../src/mission/enabledMission.ts"
import type { Mission } from "../src/mission/Mission.ts"
import { relaysOnRecord } from "../src/mission/RelayOnRecord.ts"

const Shown = Schema.fromJsonString(Schema.Struct({
  keys: Schema.Array(Schema.Struct({ id: Schema.String, state: Schema.String })),
  members: Schema.Int
}))
const Status = Schema.fromJsonString(Schema.Struct({
  key_store: Schema.Struct({ relays: Schema.Int, families: Schema.Int })
}))

const family = (mission: Mission, ...args: ReadonlyArray<string>) => mission.patela("family", ...args)

const idsOf = (mission: Mission) =>
  family(mission, "show", "--json").pipe(
    Effect.flatMap(Schema.decodeEffect(Shown)),
    Effect.map(({ keys }) => keys.map(({ id }) => id))
  )

const stored = (mission: Mission) =>
  Effect.flatMap(mission.agent("tpm", "status", "--json"), ({ stdout }) => Schema.decodeEffect(Status)(stdout)).pipe(
    Effect.map(({ key_store }) => key_store)
  )

/** What a relay declares by its torrc, and the key files that it has: owner, mode and name. */
const seen = Effect.fnUntraced(function*({ node }: Mission, name: string) {
  const torrc = yield* node.execOk(["cat", `/etc/tor/instances/${name}/torrc`])
  const values = (option: string) =>
    torrc.split("\n").flatMap((line) => line.startsWith(`${option} `) ? [line.slice(option.length + 1)] : [])
  const files = yield* node.execOk([
    "find",
    `/var/lib/tor-instances/${name}/keys`,
    "-name",
    "*.secret_family_key",
    "-printf",
    "%u %m %s\n"
  ])
  return { ids: values("FamilyId"), members: values("MyFamily"), files: files.trim().split("\n").filter(Boolean) }
})

/** How often the server has handed out keys. */
const given = (mission: Mission) =>
  Effect.map(
    mission.server.lines,
    (lines) => lines.filter((line) => line.includes("keys of the family, sealed")).length
  )

describe("the family of a fleet", () => {
  it.live("reaches a node by its TPM alone, stays there, is rotated and taken back", () =>
    Effect.gen(function*() {
      const mission = yield* enabledMission(2, {})
      const [one, other] = yield* relaysOnRecord(mission)
      if (one === undefined || other === undefined) return assert.fail("there are not two relays")
      const said: Array<string> = []
      const reconcile = Effect.gen(function*() {
        const { exitCode, stderr, stdout } = yield* mission.agent("reconcile", "--wait", "0")
        said.push(stdout, stderr)
        assert.strictEqual(exitCode, 0, stdout + stderr)
      })
      const inSync = Effect.gen(function*() {
        const { exitCode, stdout } = yield* mission.agent("diff")
        assert.strictEqual(exitCode, 0, stdout)
      })
      const file = (name: string) => `_tor-${name} 600 96`

      said.push(yield* family(mission, "create"))
      const [first] = yield* idsOf(mission)
      const diff = yield* mission.agent("diff", "--full")
      said.push(diff.stdout)
      assert.include(diff.stdout, `family key ${first} (sensitive)`)
      yield* reconcile
      for (const [relay, neighbour] of [[one, other], [other, one]] as const) {
        assert.deepStrictEqual(yield* seen(mission, relay.name), {
          ids: [first],
          members: [`$${neighbour.fingerprint?.rsa}`],
          files: [file(relay.name)]
        })
      }
      yield* inSync
      assert.deepStrictEqual(yield* stored(mission), { relays: 2, families: 1 })
      assert.strictEqual(yield* given(mission), 1)

      // A boot on a blank root: the server is not asked again.
      yield* mission.rig.powerOff
      yield* mission.rig.boot
      yield* reconcile
      assert.deepStrictEqual((yield* seen(mission, one.name)).files, [file(one.name)])
      assert.strictEqual(yield* given(mission), 1)
      for (const { name } of [one, other]) yield* mission.node.execOk(["systemctl", "is-active", `tor@${name}`])

      said.push(yield* family(mission, "rotate"))
      const [second] = yield* idsOf(mission)
      yield* reconcile
      const both = yield* seen(mission, one.name)
      assert.deepStrictEqual([both.ids, both.files.length], [[second, first], 2])
      assert.strictEqual(yield* given(mission), 2)
      assert.deepStrictEqual(yield* stored(mission), { relays: 2, families: 2 })

      said.push(yield* family(mission, "retire"))
      yield* reconcile
      const after = yield* seen(mission, one.name)
      assert.deepStrictEqual([after.ids, after.files.length], [[second], 1])
      assert.deepStrictEqual(yield* stored(mission), { relays: 2, families: 1 })
      yield* inSync

      yield* family(mission, "off", "id")
      yield* reconcile
      assert.deepStrictEqual(yield* seen(mission, one.name), { ids: [], members: both.members, files: [] })
      assert.deepStrictEqual(yield* stored(mission), { relays: 2, families: 0 })
      assert.strictEqual(yield* given(mission), 2)

      // A rollout of the switch: while the node is held nothing changes, once it is released all does.
      yield* mission.patela("rollout", "begin")
      yield* family(mission, "on", "id")
      yield* reconcile
      assert.deepStrictEqual((yield* seen(mission, one.name)).ids, [])
      const rollout = yield* Effect.forkScoped(mission.patela("rollout", "run", "--nodes", "1"))
      for (let tries = 0; tries < 60 && (yield* seen(mission, one.name)).ids.length === 0; tries++) yield* reconcile
      assert.include(yield* Fiber.join(rollout), "All nodes have the configuration")
      assert.deepStrictEqual((yield* seen(mission, one.name)).ids, [second])

      // The database alone has the keys.
      said.push(yield* mission.agentJournal, ...yield* mission.server.lines, yield* mission.patela("audit", "--json"))
      said.push(yield* mission.node.execOk(["journalctl", "--no-pager"]))
      const database = new DatabaseSync(`${mission.server.folder}/patela.db`, { readOnly: true })
      const secrets = database.prepare("SELECT secret FROM family_keys").all().map(({ secret }) => String(secret))
      database.close()
      assert.lengthOf(secrets, 1)
      for (const secret of secrets) {
        const bytes = Buffer.from(secret, "hex")
        for (const text of [secret, bytes.toString("base64")]) {
          assert.isFalse(said.some((each) => each.includes(text.slice(0, 40))), "a secret was shown")
        }
      }
    }).pipe(Effect.scoped))
})
