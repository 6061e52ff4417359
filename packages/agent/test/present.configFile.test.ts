import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { readConfigFile } from "@patela/agent/commands/ConfigFile"
import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Effect, Schema } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { configOf } from "./PresentCases.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "patela-agent-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** What is read of a file with such a text: the configuration, or what is said of it. */
const reading = Effect.fnUntraced(
  function*(text: string) {
    const path = `${yield* folder}/node.json`
    writeFileSync(path, text)
    return yield* readConfigFile(path).pipe(Effect.result)
  },
  Effect.scoped,
  Effect.provide(NodeServices.layer)
)

const complaintOf = Effect.fnUntraced(function*(text: string) {
  const result = yield* reading(text)
  return result._tag === "Failure" ? result.failure.message : assert.fail(`it is taken: ${text}`)
})

const config = configOf({ count: 2 })
const good = Schema.encodeSync(NodeConfig)(config)
const HOW = "`patela-agent config > node.json`"
const SECRET = "HashedControlPassword 16:CANARY"

/** Any field, and what it may be by mistake. */
const Mistake = Schema.Struct({
  field: Schema.Literals(["name", "slot", "ip_v4", "ip_v6", "or_port", "dir_port", "torrc", "fingerprint"]),
  value: Schema.Literals([true, -1, "", "\u001b[2J", SECRET])
})

describe("a configuration in a file", () => {
  it.effect("is what `patela-agent config` prints of it", () =>
    Effect.gen(function*() {
      const result = yield* reading(JSON.stringify(good, null, 2))
      assert.deepStrictEqual(result._tag === "Success" ? result.success : result.failure, config)
    }))

  it.effect("is complained of by field, and how to get a good one is said", () =>
    Effect.gen(function*() {
      const [toma, robiola] = good.relays
      const port = yield* complaintOf(JSON.stringify({ ...good, relays: [toma, { ...robiola, or_port: 70_000 }] }))
      assert.match(port, /^ {2}relays\[1\]\.or_port: .*between 1 and 65535$/m)
      assert.include(port, HOW)
      const { generation: _, ...old } = good
      assert.match(yield* complaintOf(JSON.stringify(old)), /^ {2}generation: /m)
      assert.match(yield* complaintOf("[]"), /is not a node's configuration/)
      assert.match(yield* complaintOf(JSON.stringify({ relays: [{}, {}] })), /^ {2}and \d+ more$/m)
      assert.match(yield* complaintOf(" \n"), /is not JSON: it is empty/)
      assert.match(yield* complaintOf("{\n\"relays\": [],\n}"), /is not JSON \(line 3 column 1\)/)
    }))

  it.effect.prop(
    "with a mistake in any field is complained of there, or taken",
    [Mistake],
    ([{ field, value }]) =>
      Effect.gen(function*() {
        const [toma] = good.relays
        const result = yield* reading(JSON.stringify({ ...good, relays: [{ ...toma, [field]: value }] }))
        if (result._tag === "Success") return
        assert.match(result.failure.message, new RegExp(`^  relays\\[0\\]\\.${field}`, "m"))
        assert.notInclude(result.failure.message, "CANARY")
        assert.notMatch(result.failure.message.replaceAll("\n", ""), /\p{C}/u)
      })
  )

  it.effect("is never quoted, however it is broken", () =>
    Effect.gen(function*() {
      const [toma] = good.relays
      const texts = [
        `{"torrc": "${SECRET}"`,
        `{"torrc": "${SECRET}" x}`,
        `{"torrc": "${SECRET}\n"}`,
        SECRET,
        JSON.stringify({ ...good, relays: [{ ...toma, torrc: [SECRET] }] }),
        JSON.stringify({ ...good, relays: [{ ...toma, torrc: { text: SECRET } }] }),
        JSON.stringify({ ...good, relays: SECRET })
      ]
      for (const text of texts) {
        const complaint = yield* complaintOf(text)
        assert.notInclude(complaint, "CANARY")
        assert.include(complaint, HOW)
      }
    }))

  it.effect.prop(
    "of any text at all is taken or complained of, and never a crash",
    [Schema.String],
    ([text]) =>
      Effect.gen(function*() {
        const result = yield* reading(text)
        if (result._tag === "Failure") assert.include(result.failure.message, HOW)
      })
  )
})
