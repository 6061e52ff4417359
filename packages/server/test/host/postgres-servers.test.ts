import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { eventually } from "../rig/eventually.ts"
import { httpsAsk } from "../rig/httpsAsk.ts"
import { httpsEvents } from "../rig/httpsEvents.ts"
import { lastGeneration } from "../rig/lastGeneration.ts"
import { postgresForFile } from "../rig/postgresForFile.ts"
import { runningPatela } from "../rig/runningPatela.ts"
import { SealedText } from "../rig/SealedAnswer.ts"
import { soonest } from "../rig/soonest.ts"

const cluster = postgresForFile()

const TIMEOUT = 180_000

const specs = JSON.stringify({ n_cpus: 2, memory: 8 * 1024 ** 3, cpu_name: "test" })

/** Two servers in processes of their own at one database, and an enabled node. */
const pair = Effect.gen(function*() {
  const first = yield* runningPatela
  const second = yield* first.start()
  const { id, tpm, token } = yield* first.enrolled
  const askSecond = (path: string, body?: string, of = token) =>
    httpsAsk({ port: second.port, ca: first.pem, path, token: of, ...body === undefined ? {} : { body } })
  const askFirst = (path: string, body?: string, of = token) => first.ask(path, body, of)
  const streamOfSecond = Effect.gen(function*() {
    const stream = yield* httpsEvents({ port: second.port, ca: first.pem, token })
    yield* eventually("the first event", () => stream.text() !== "", 30_000)
    return stream
  })
  return { ...first, second, id, tpm, askFirst, askSecond, streamOfSecond }
})

describe("two servers at one database", () => {
  it.effect("take each other's challenges and sessions, and allocate as one", () =>
    Effect.gen(function*() {
      const { askFirst, askSecond, tpm, id, administration } = yield* pair
      const { text, status } = yield* askFirst("/public/auth", JSON.stringify(tpm.request))
      assert.strictEqual(status, 201)
      const token = tpm.open(yield* Schema.decodeEffect(SealedText)(text))
      assert.strictEqual((yield* askSecond("/private/specs", specs, token)).text, "{\"relays\":2}")
      const told = yield* askSecond("/private/config/node", undefined, token)
      assert.deepStrictEqual(yield* askFirst("/private/config/node", undefined, token), told)
      assert.strictEqual(
        (yield* askFirst("/public/auth", JSON.stringify(tpm.request))).status,
        200,
        "its first is past"
      )
      yield* administration.revoke("test", id)
      for (const ask of [askFirst, askSecond]) {
        assert.strictEqual((yield* ask("/private/config/node", undefined, token)).status, 401)
      }
    }), TIMEOUT)

  it.effect(
    "tell of each other's changes within a second, also after their connections broke off",
    () =>
      Effect.gen(function*() {
        const { askFirst, streamOfSecond, administration, id, services } = yield* pair
        const stream = yield* streamOfSecond
        const tells = Effect.fnUntraced(function*(geoip: "on" | "off") {
          const before = lastGeneration(stream.text())
          yield* Effect.orDie(administration.set("test", id, "geoip", geoip))
          return yield* eventually(`that geoip is ${geoip}`, () => lastGeneration(stream.text()) > before, 10_000)
        })
        // Of relays that a node is given because it asks, only that node hears.
        yield* askFirst("/private/specs", specs)
        assert.isBelow(yield* soonest(tells), 1000, "a command's change")
        const broken = Effect.provide(
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) =>
              sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid()`
          ),
          services
        )
        assert.isAtLeast((yield* broken).length, 3)
        // Right after that it takes as long as it takes to listen again.
        yield* tells("off")
        assert.isBelow(yield* soonest(tells), 1000)
      }),
    TIMEOUT
  )

  it.effect("answer 500 while the database is away, and serve as before when it is back", () =>
    Effect.gen(function*() {
      const { askFirst, askSecond, streamOfSecond, administration, id } = yield* pair
      const stream = yield* streamOfSecond
      yield* askFirst("/private/specs", specs)
      const told = yield* askSecond("/private/config/node")
      yield* cluster().stop
      for (const ask of [askFirst, askSecond]) {
        const { status, type, text } = yield* ask("/private/config/node")
        assert.deepStrictEqual([status, type], [500, "application/problem+json"])
        assert.notInclude(text, cluster().password)
      }
      yield* cluster().start
      assert.deepStrictEqual(yield* askFirst("/private/config/node"), told)
      assert.deepStrictEqual(yield* askSecond("/private/config/node"), told)
      const before = lastGeneration(stream.text())
      yield* administration.set("test", id, "geoip", "on")
      yield* eventually("an event on the stream of before", () => lastGeneration(stream.text()) > before, 10_000)
    }), TIMEOUT)
})
