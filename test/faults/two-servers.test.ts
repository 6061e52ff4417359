import { assert, describe, it } from "@effect/vitest"
import { ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { NodeId } from "@patela/domain/node/NodeId"
import { Context, Deferred, Effect, Schedule, Schema } from "effect"
import { Audit } from "../../packages/server/src/audit/Audit.ts"
import { verifyAudit } from "../../packages/server/src/audit/verifyAudit.ts"
import { Nodes } from "../../packages/server/src/nodes/Nodes.ts"
import { Relays } from "../../packages/server/src/relays/Relays.ts"
import { httpsAsk } from "../../packages/server/test/rig/httpsAsk.ts"
import { postgresForFile } from "../../packages/server/test/rig/postgresForFile.ts"
import { runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import { SealedText } from "../../packages/server/test/rig/SealedAnswer.ts"
import { softwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"

postgresForFile()

const NODES = 200
const TIMEOUT = 180_000

/** How many nodes are at it at a time: as a rack that is switched on. */
const AT_ONCE = 50

/** How many are done when the server is killed. */
const KILLED_AFTER = 60

const Configured = Schema.fromJsonString(Schema.Array(ResolvedRelay))
const Resolved = Schema.fromJsonString(ResolvedNode)

const specs = JSON.stringify({ n_cpus: 2, memory: 8 * 1024 ** 3, cpu_name: "test" })

/** A server answered what it never should. */
class Wrong extends Schema.TaggedError<Wrong>()("Wrong", { message: Schema.String }) {}

/** A letter and a number as fingerprints, which only have to be other ones for each relay. */
const fingerprintOf = (slot: number, id: number) => {
  const digits = (id * 2 + slot).toString(16).padStart(8, "0")
  return { rsa: digits.repeat(5).toUpperCase(), ed25519: `${digits.repeat(5)}aaa` }
}

describe("two servers at one PostgreSQL, one of which is killed while 200 nodes boot", () => {
  it.live("configure every node, lose nothing and allocate nothing twice", () =>
    Effect.gen(function*() {
      const { server, start, administration, pem, services } = yield* runningPatelaWith({
        PATELA_FIRST_V4: "192.0.2.10",
        PATELA_PREFIX_V4: "22",
        PATELA_NEW_PER_SOURCE: "9999999",
        PATELA_NEW_IN_ALL: "9999999",
        PATELA_AUTH_PER_NODE: "9999999"
      })
      const second = yield* start()
      const ports = [server.port, second.port]
      const enough = yield* Deferred.make<void>()
      let done = 0
      let moved = 0

      /** As the agent does: it asks the other server where one does not answer, and never takes a refusal for an answer. */
      const askingFrom = (first: number) => {
        let turn = first
        return (expected: ReadonlyArray<number>, path: string, body?: string, token?: string) =>
          Effect.suspend(() =>
            httpsAsk({
              port: ports[turn % 2] ?? 0,
              ca: pem,
              path,
              ...body === undefined ? {} : { body },
              ...token === undefined ? {} : { token }
            })
          ).pipe(
            Effect.tapError(() =>
              Effect.sync(() => {
                turn += 1
                moved += 1
              })
            ),
            Effect.retry({ times: 20, schedule: Schedule.spaced("50 millis") }),
            Effect.flatMap((answer) =>
              expected.includes(answer.status)
                ? Effect.succeed(answer)
                : Effect.fail(new Wrong({ message: `${path}: ${answer.status} ${answer.text}` }))
            )
          )
      }

      const boot = Effect.fnUntraced(function*(_: unknown, index: number) {
        const tpm = softwareTpm()
        const request = JSON.stringify(tpm.request)
        const ask = askingFrom(index)
        const waiting = yield* ask([401], "/public/auth", request)
        const id = NodeId.make(Number(/patela enable (\d+)/.exec(waiting.text)?.[1]))
        yield* administration.setEnabled("test", id, true)
        const { text } = yield* ask([200, 201], "/public/auth", request)
        const token = tpm.open(yield* Schema.decodeEffect(SealedText)(text))
        assert.strictEqual((yield* ask([200], "/private/specs", specs, token)).text, "{\"relays\":2}")
        const config = yield* ask([200], "/private/config/node", undefined, token)
        const relays = yield* Schema.decodeEffect(Configured)(config.text)
        const resolved = yield* ask([200], "/private/config/resolved/node", undefined, token)
        const { generation } = yield* Schema.decodeEffect(Resolved)(resolved.text)
        const report = {
          relays: relays.map(({ name, slot }) => ({ name, fingerprint: fingerprintOf(slot, id), blocked: null })),
          tor_version: "0.4.9.11",
          generation,
          rolled_back: null
        }
        yield* ask([204], "/private/report", JSON.stringify(report), token)
        done += 1
        if (done === KILLED_AFTER) yield* Deferred.succeed(enough, undefined)
        return { id, generation, relays }
      })

      const began = performance.now()
      const [told] = yield* Effect.all([
        Effect.forEach(Array.from({ length: NODES }), boot, { concurrency: AT_ONCE }),
        Effect.andThen(Deferred.await(enough), server.kill)
      ], { concurrency: "unbounded" })
      yield* Effect.logInfo(
        `${NODES} nodes in ${
          ((performance.now() - began) / 1000).toFixed(1)
        } s; ${moved} requests went to the other server`
      )
      assert.isAbove(moved, 0, "the server was in use when it was killed")

      assert.strictEqual(new Set(told.map(({ id }) => id)).size, NODES)
      const rows = yield* Context.get(services, Relays).list
      assert.strictEqual(rows.length, 2 * NODES)
      for (const  of of["name", "ip_v4"] as const) {
        assert.strictEqual(new Set(rows.map((row) => row[of])).size, 2 * NODES)
      }
      // What each was told is what there is, with the fingerprints that it reported.
      const known = told.flatMap(({ id, relays }) =>
        relays.map(({ name, slot, ip_v4 }) => ({ id, name, slot, ip_v4, ...fingerprintOf(slot, id) }))
      )
      const stored = rows.map(({ node_id, name, slot, ip_v4, fingerprint_rsa, fingerprint_ed25519 }) => ({
        id: node_id,
        name,
        slot,
        ip_v4,
        rsa: fingerprint_rsa,
        ed25519: fingerprint_ed25519
      }))
      const byName = (one: { readonly name: string }, other: { readonly name: string }) =>
        one.name < other.name ? -1 : 1
      assert.deepStrictEqual<ReadonlyArray<unknown>>(stored.toSorted(byName), known.toSorted(byName))
      assert.isTrue(rows.every(({ alarm_at }) => alarm_at === null))
      const generations = new Map(
        (yield* Context.get(services, Nodes).list).map(({ id, generation }) => [id, generation])
      )
      for (const { id, generation } of told) assert.strictEqual(generations.get(id), generation)
      const allocated = (yield* Context.get(services, Audit).newest(10_000)).filter(({ what }) =>
        what === "relays allocated"
      )
      assert.strictEqual(new Set(allocated.map(({ who }) => who)).size, NODES)
      assert.strictEqual(allocated.length, NODES, "each once")
      assert.deepStrictEqual((yield* Effect.provide(verifyAudit(), services)).faults, [])
    }), TIMEOUT)
})
