import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { configEvents, SILENCE } from "../src/session/configEvents.ts"

const Part = Schema.Union([
  Schema.Struct({
    says: Schema.Literal("config"),
    generation: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1e9 })))
  }),
  Schema.Struct({ says: Schema.Literals(["heartbeat", "another event"]) })
])

const textOf = (part: typeof Part.Type): string =>
  part.says === "config"
    ? `event: config\ndata: {"generation":${part.generation}}\n\n`
    : part.says === "heartbeat"
    ? ":\n\n"
    : "event: later\ndata: not JSON\n\n"

const cut = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

const Size = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 40 })))

describe("events of the configuration", () => {
  it.effect.prop("are the same however the bytes are cut, and nothing else is", [Schema.Array(Part), Size], ([
    parts,
    size
  ]) =>
    Effect.gen(function*() {
      const bytes = new TextEncoder().encode(parts.map(textOf).join(""))
      const heard = yield* Stream.runCollect(configEvents(Stream.fromIterable(cut(bytes, size))))
      assert.deepStrictEqual(
        heard.map(({ generation }) => generation),
        parts.flatMap((part) => part.says === "config" ? [part.generation] : [])
      )
    }))

  it.effect("that are not to be read are an error, whatever they are", () =>
    Effect.gen(function*() {
      const wrong = ["{}", "x", "{\"generation\":-1}", "{\"generation\":1.5}", "{\"generation\":\"1\"}"]
        .map((data) => `event: config\ndata: ${data}\n\n`)
      const long = `event: config\ndata: ${"x".repeat(5000)}\n\n`
      for (const text of [...wrong, long, "retry: 5\n\n"]) {
        const error = yield* Effect.flip(Stream.runDrain(configEvents(Stream.make(new TextEncoder().encode(text)))))
        assert.strictEqual(error._tag, "ServerAway", text.slice(0, 40))
        assert.notInclude(error.message, "internal")
      }
      const garbage = yield* Arbitrary.sampleEffect(Arbitrary.schema(Schema.String), { count: 200 })
      for (const text of garbage) {
        const bytes = Stream.make(new TextEncoder().encode(`${text}\n\n`))
        // A defect would fail the test.
        yield* Effect.result(Stream.runDrain(configEvents(bytes)))
      }
    }))

  it.effect("break off after 45 s of silence, and a heartbeat is none", () =>
    Effect.gen(function*() {
      const heartbeats = Stream.fromIterable([0, 1, 2]).pipe(
        Stream.mapEffect(() => Effect.as(Effect.sleep("44 seconds"), new TextEncoder().encode(":\n\n")))
      )
      const listening = yield* Effect.forkChild(
        Effect.flip(Stream.runDrain(configEvents(Stream.concat(heartbeats, Stream.never))))
      )
      yield* TestClock.adjust("132 seconds")
      yield* TestClock.adjust("44 seconds")
      assert.isUndefined(listening.pollUnsafe())
      yield* TestClock.adjust(SILENCE)
      assert.include((yield* Fiber.join(listening)).message, "said nothing for 45s")
    }))
})
