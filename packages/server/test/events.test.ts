import { assert, describe, it } from "@effect/vitest"
import { HEARTBEAT_MILLIS } from "@patela/domain/api/ConfigEvent"
import { NodeId } from "@patela/domain/node/NodeId"
import { Effect, Fiber, Layer } from "effect"
import { HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { ConfigChange } from "../src/generation/ConfigChange.ts"
import { Generation } from "../src/generation/Generation.ts"
import { EventStreams } from "../src/http/EventStreams.ts"
import type { Reader } from "../src/http/OpenAnswers.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { TOKEN_LIFE } from "../src/session/lifetimes.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { enabledMany, network, node1, tokenOf } from "./rig/Fleet.ts"
import { type OpenStream, TestApi, testApi } from "./rig/TestApi.ts"

const eventOf = (generation: number) => `event: config\ndata: {"generation":${generation}}\n\n`

const change = Effect.flatMap(NetworkAdministration, (administration) => administration.set("test", network))

/** What the stream says next, with the clock going on until it does. */
const nextWithin = Effect.fnUntraced(function*({ next }: OpenStream, millis: number) {
  const reading = yield* Effect.forkChild(next)
  for (let passed = 0; passed < millis; passed += 250) {
    // The stream answers through promises of the platform, which the test's clock does not wait for.
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    if (reading.pollUnsafe() !== undefined) break
    yield* TestClock.adjust(250)
  }
  return yield* Fiber.join(reading)
})

/** A stream of node 1, which has said the generation that it began with. */
const opened = Effect.gen(function*() {
  yield* enabledMany(1)
  const { open } = yield* TestApi
  const stream = yield* open(yield* tokenOf(node1))
  assert.deepStrictEqual([stream.status, stream.type], [200, "text/event-stream"])
  assert.strictEqual(yield* stream.next, eventOf(yield* (yield* Generation).current), "at once")
  return stream
})

describe("events", () => {
  it.effect("tell of a change, and of nothing else but that the server is there", () =>
    Effect.gen(function*() {
      const stream = yield* opened
      const { current } = yield* Generation
      const before = yield* current
      yield* change
      assert.strictEqual(yield* nextWithin(stream, 500), eventOf(before + 1))
      yield* (yield* Administration).setEnabled("test", node1, true)
      assert.strictEqual(yield* nextWithin(stream, HEARTBEAT_MILLIS), ":\n\n")
      assert.strictEqual(yield* nextWithin(stream, HEARTBEAT_MILLIS), ":\n\n")
      yield* change
      assert.strictEqual(yield* nextWithin(stream, 500), eventOf(before + 2))
    }).pipe(Effect.provide(testApi())))

  it.effect("tell of what this process changed before any time passes", () =>
    Effect.gen(function*() {
      const stream = yield* opened
      const before = yield* (yield* Generation).current
      yield* TestClock.adjust(250)
      yield* change
      assert.strictEqual(yield* stream.next, eventOf(before + 1))
    }).pipe(Effect.provide(testApi())))

  it.effect("tell of what another process changed, within half a second", () =>
    Effect.gen(function*() {
      const stream = yield* opened
      const before = yield* (yield* Generation).current
      // Another one that knows nothing of this one but the database.
      yield* Effect.provide(
        Effect.flatMap(Generation, (other) => other.change(ConfigChange.counted)),
        Layer.fresh(Generation.layer)
      )
      assert.strictEqual(yield* nextWithin(stream, 500), eventOf(before + 1))
    }).pipe(Effect.provide(testApi())))

  it.effect("of many changes at once tell the first and the last", () =>
    Effect.gen(function*() {
      const stream = yield* opened
      const before = yield* (yield* Generation).current
      yield* change
      assert.strictEqual(yield* nextWithin(stream, 500), eventOf(before + 1))
      yield* Effect.repeat(change, { times: 49 })
      assert.strictEqual(yield* nextWithin(stream, 1000), eventOf(before + 51))
      assert.strictEqual(yield* nextWithin(stream, HEARTBEAT_MILLIS), ":\n\n")
    }).pipe(Effect.provide(testApi())))

  it.effect("end with the node's being disabled, also where it is enabled again", () =>
    Effect.gen(function*() {
      const stream = yield* opened
      const administration = yield* Administration
      yield* administration.setEnabled("test", node1, false)
      yield* administration.setEnabled("test", node1, true)
      assert.isUndefined(yield* nextWithin(stream, HEARTBEAT_MILLIS + 250))
    }).pipe(Effect.provide(testApi())))

  it.effect("end with the node's being disabled, also where there is always something to tell", () =>
    Effect.gen(function*() {
      const stream = yield* opened
      yield* (yield* Administration).setEnabled("test", node1, false)
      let said: string | undefined = ""
      let passed = 0
      for (; said !== undefined && passed < 2 * HEARTBEAT_MILLIS; passed += 250) {
        yield* change
        said = yield* nextWithin(stream, 500)
      }
      assert.isUndefined(said)
      assert.isAtMost(passed, HEARTBEAT_MILLIS + 1000)
    }).pipe(Effect.provide(testApi())))

  it.effect("end with the token", () =>
    Effect.gen(function*() {
      const stream = yield* opened
      let heartbeats = 0
      while ((yield* nextWithin(stream, HEARTBEAT_MILLIS + 250)) !== undefined) heartbeats += 1
      assert.strictEqual(heartbeats, TOKEN_LIFE / HEARTBEAT_MILLIS - 1)
    }).pipe(Effect.provide(testApi())))

  it.effect("end with the server, and at once", () =>
    Effect.gen(function*() {
      const stream = yield* opened
      yield* (yield* EventStreams).end
      assert.isUndefined(yield* stream.next)
      const { open } = yield* TestApi
      const late = yield* open(yield* tokenOf(node1))
      assert.isUndefined(yield* late.next)
    }).pipe(Effect.provide(testApi())))

  it.effect("of one node are four at most: one more ends the oldest, and no other node's", () =>
    Effect.gen(function*() {
      yield* enabledMany(2)
      const { open } = yield* TestApi
      const token = yield* tokenOf(node1)
      const begun = Effect.fnUntraced(function*(whose: string) {
        const stream = yield* open(whose)
        const first = yield* stream.next
        return { ...stream, first }
      })
      const other = yield* begun(yield* tokenOf(NodeId.make(2)))
      const streams = yield* Effect.forEach([1, 2, 3, 4], () => begun(token))
      const now = eventOf(yield* (yield* Generation).current)
      assert.deepStrictEqual(streams.map(({ first }) => first), [now, now, now, now])

      const fifth = yield* begun(token)
      assert.strictEqual(fifth.first, now, "an agent that comes back is served")
      const [oldest, ...younger] = streams
      assert.isUndefined(yield* (oldest ?? fifth).next)
      // One that its reader closed leaves room: nobody is ended for the next one.
      yield* Effect.scoped(begun(token))
      const [ended, ...left] = younger
      assert.isUndefined(yield* (ended ?? fifth).next)
      const last = yield* begun(token)
      yield* TestClock.adjust(250)
      yield* change
      const event = eventOf(yield* (yield* Generation).current)
      for (const stream of [...left, fifth, last, other]) assert.strictEqual(yield* stream.next, event)
    }).pipe(Effect.provide(testApi())))

  it.effect("are for nodes that are enabled only", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      yield* enabledMany(1)
      assert.strictEqual((yield* ask({ path: "/private/events" })).status, 401)
      const token = yield* tokenOf(node1)
      yield* (yield* Administration).setEnabled("test", node1, false)
      const refused = yield* ask({ path: "/private/events", token })
      assert.strictEqual(refused.status, 401)
      assert.include(refused.text, "urn:patela:problem:token-refused")
    }).pipe(Effect.provide(testApi())))

  it.effect("are not kept for a reader that is slow: it hears the newest next", () =>
    Effect.gen(function*() {
      yield* enabledMany(1)
      const { current } = yield* Generation
      const before = yield* current
      const said: Array<string> = []
      let reader: Reader = { drained: () => {}, closed: () => {} }
      const answer = {
        // Until it says that it took it.
        write: (bytes: Uint8Array) => {
          said.push(new TextDecoder().decode(bytes))
          return false
        },
        end: () => {}
      }
      yield* (yield* EventStreams).open(node1, Effect.void, (given) => {
        reader = given
        return Effect.succeed({ answer, response: HttpServerResponse.empty() })
      })
      yield* Effect.repeat(change, { times: 199 })
      yield* TestClock.adjust(HEARTBEAT_MILLIS)
      assert.deepStrictEqual(said, [eventOf(before)])
      reader.drained()
      yield* TestClock.adjust(250)
      assert.deepStrictEqual(said, [eventOf(before), ":\n\n"], "the heartbeat was due")
      reader.drained()
      assert.deepStrictEqual(said, [eventOf(before), ":\n\n", eventOf(before + 200)])
      reader.closed()
    }).pipe(Effect.provide(testApi())))
})
