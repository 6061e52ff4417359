import { assert, layer } from "@effect/vitest"
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { NodesInTor } from "../src/mission/NodesInTor.ts"
import { type RelayOnRecord, relaysOnRecord } from "../src/mission/RelayOnRecord.ts"
import { found, instead, waitFor } from "../src/rig/Deadline.ts"
import { type Absence, PortObserver } from "../src/rig/PortObserver.ts"

/** Three nodes and what is seen of their relays from beyond the gateway, for the tests of this file in order. */
class Story
  extends Context.Service<Story, NodesInTor & { readonly ports: PortObserver }>()("@patela/test/RolloutStory")
{
  static readonly layer = Layer.effect(
    Story,
    Effect.gen(function*() {
      const nodes = yield* NodesInTor.make({ relays: [2, 2, 1] })
      yield* nodes.listed
      const record = yield* relaysOnRecord(nodes.mission)
      return { ...nodes, ports: yield* PortObserver.make(nodes.authorities.namespace, record.map(placeOf)) }
    })
  )
}

const placeOf = ({ ip_v4, or_port }: RelayOnRecord): string => `${ip_v4}:${or_port}`

const RolloutShown = Schema.fromJsonString(Schema.Struct({
  rollout: Schema.NullOr(Schema.Struct({ held: Schema.Array(Schema.Int) }))
}))

const held = Effect.fnUntraced(function*() {
  const { mission } = yield* Story
  const text = yield* mission.patela("rollout", "show", "--json")
  return (yield* Schema.decodeEffect(RolloutShown)(text)).rollout?.held
})

const runRollout = Effect.fnUntraced(function*() {
  const { mission } = yield* Story
  const args = ["rollout", "run", "--nodes", "1", "--pause", "0", "--within", "1"]
  return yield* mission.server.cli(args, { within: "4 minutes" })
})

/** What took no connection since then. */
const absencesSince = Effect.fnUntraced(function*(began: number) {
  const { ports } = yield* Story
  return (yield* ports.absences).filter(({ until }) => until >= began)
})

/** Every consensus since then has every relay as Running. */
const allRunningSince = Effect.fnUntraced(function*(began: number) {
  const { authorities, mission } = yield* Story
  const names = (yield* relaysOnRecord(mission)).map(({ name }) => name)
  const since = new Date(began).toISOString().slice(0, 19).replace("T", " ")
  const later = yield* waitFor(
    "a consensus of since then",
    Effect.map(authorities.consensuses, (all) => {
      const later = all.filter(({ validAfter }) => validAfter >= since)
      return later.length > 0 ? found(later) : instead(all.map(({ validAfter }) => validAfter).join())
    })
  )
  for (const { relays, validAfter } of later) {
    const running = relays.filter(({ flags }) => flags.includes("Running")).map(({ nickname }) => nickname)
    assert.includeMembers(running, names, validAfter)
  }
})

/** When a relay was bootstrapped first since then, by its own word; milliseconds since 1970. */
const bootstrappedAt = Effect.fnUntraced(function*({ name, node }: RelayOnRecord, since: number) {
  const { machines } = yield* Story
  const machine = machines[node - 1] ?? assert.fail(`no node ${node}`)
  const journal = yield* machine.node.execOk(["journalctl", "--no-pager", "--output=short-unix", `--unit=tor@${name}`])
  const times = journal.split("\n").filter((line) => line.includes("Bootstrapped 100%"))
    .map((line) => Number(line.split(" ")[0]) * 1000)
  return times.find((time) => time >= since) ?? Infinity
})

/** What each node has of its relays' torrcs, and when it was written; which processes run. */
const standing = Effect.fnUntraced(function*() {
  const { machines } = yield* Story
  return yield* Effect.forEach(machines, ({ node }) =>
    node.execOk([
      "sh",
      "-c",
      "stat --format='%n %i %.Y' /etc/tor/instances/*/torrc; sha256sum /etc/tor/instances/*/torrc; " +
      "systemctl show --property=Id,MainPID,ActiveState 'tor@*'"
    ]))
})

layer(Story.layer, { excludeTestServices: true, timeout: 600_000 })("a rollout to three nodes", (it) => {
  it.effect("restarts relays node by node, one at a time, each once the one before is back", () =>
    Effect.gen(function*() {
      const { mission } = yield* Story
      const record = (yield* relaysOnRecord(mission)).toSorted((one, other) => one.node - other.node)
      const began = yield* Clock.currentTimeMillis
      yield* mission.patela("rollout", "begin")
      // tor takes it at its start alone.
      yield* mission.patela("torrc", "set", "default", "TokenBucketRefillInterval", "50 msec")
      assert.deepStrictEqual(yield* held(), [1, 2, 3])
      assert.deepStrictEqual(yield* absencesSince(began), [], "nobody has it yet")
      const { exitCode, stderr, stdout } = yield* runRollout()
      assert.deepStrictEqual([exitCode, stdout.trim().split("\n")], [0, [
        "released node 1",
        "released node 2",
        "released node 3",
        "All nodes have the configuration."
      ]], stderr)

      const absences = yield* waitFor(
        "every relay to have been away once",
        Effect.map(
          absencesSince(began),
          (seen) =>
            seen.length === record.length && seen.every(({ until }) => until < Infinity)
              ? found(seen.toSorted((one, other) => one.from - other.from))
              : instead(JSON.stringify(seen))
        )
      )
      const relayOf = ({ place }: Absence) => record.find((relay) => placeOf(relay) === place) ?? assert.fail(place)
      assert.deepStrictEqual(absences.map((absence) => relayOf(absence).node), [1, 1, 2, 2, 3])
      for (const [at, absence] of absences.entries()) {
        const next = absences[at + 1]
        if (next === undefined) continue
        assert.isBelow(absence.until, next.from, "never two at once")
        const relay = relayOf(absence)
        if (relay.node !== relayOf(next).node) continue
        assert.isBelow(yield* bootstrappedAt(relay, absence.from), next.from, "of use before the next one goes")
      }
      yield* allRunningSince(began)
    }))

  it.effect("stops at the first node where tor refuses the change, and no other node ever has it", () =>
    Effect.gen(function*() {
      const { machines, mission } = yield* Story
      const before = yield* standing()
      const began = yield* Clock.currentTimeMillis
      yield* mission.patela("rollout", "begin")
      // The server does not know how many processors are none.
      yield* mission.patela("torrc", "set", "default", "NumCPUs", "many")
      const stopped = yield* runRollout()
      assert.strictEqual(stopped.exitCode, 1, stopped.stdout)
      assert.strictEqual(stopped.stdout.trim(), "released node 1")
      assert.match(stopped.stderr, /The rollout stops at node 1: \w+ is blocked: .*NumCPUs/)
      assert.deepStrictEqual(yield* held(), [2, 3])
      assert.deepStrictEqual(yield* standing(), before, "node 1 keeps what it had, too")

      yield* mission.patela("torrc", "remove", "default", "NumCPUs")
      const done = yield* runRollout()
      assert.deepStrictEqual([done.exitCode, done.stdout.trim().split("\n").at(-1)], [
        0,
        "All nodes have the configuration."
      ], done.stderr)
      assert.deepStrictEqual(yield* standing(), before)
      for (const { node } of machines.slice(1)) {
        assert.notInclude(yield* node.execOk(["journalctl", "--no-pager"]), "NumCPUs")
      }
      assert.deepStrictEqual(yield* absencesSince(began), [])
      yield* allRunningSince(began)
    }))
})
