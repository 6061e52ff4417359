import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { etagOf, hasAlready } from "../src/http/entity.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { TorrcLayers } from "../src/torrc/TorrcLayers.ts"
import { enabledMany, network, node1, specs } from "./rig/Fleet.ts"
import { runs } from "./rig/runs.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

describe("If-None-Match", () => {
  it.prop("has an entity exactly where its tag is in the list, weak or strong", [
    Schema.Array(Schema.String),
    Schema.String,
    Schema.Boolean,
    Schema.Boolean
  ], ([others, body, weak, listed]) => {
    const own = etagOf(body)
    // JSON text is well formed (ECMA-262, 25.5.4.2): as UTF-8, all lone surrogates would be the same.
    const tags = others.filter((other) => other.toWellFormed() !== body.toWellFormed()).map(etagOf)
    const list = listed ? [...tags, weak ? `W/${own}` : own, ...tags] : tags
    assert.strictEqual(hasAlready(list.join(", "), own), listed)
    assert.strictEqual(hasAlready(list.join(","), own), listed)
  })

  it("is * for any, and nothing where it is none", () => {
    const own = etagOf("x")
    assert.isTrue(hasAlready(" * ", own))
    for (const field of [undefined, "", "x", own.slice(1), own.replaceAll("\"", ""), `"${own}`, "\"*\""]) {
      assert.isFalse(hasAlready(field, own), field)
    }
  })
})

describe("the two halves of a configuration", () => {
  const imported = (text: string) =>
    Effect.asVoid(Effect.flatMap(TorrcLayers, (layers) => layers.import("test", { of: "default" }, text)))
  const geoip = (value: string) =>
    Effect.asVoid(
      Effect.flatMap(Administration, (administration) => administration.set("test", node1, "geoip", value))
    )
  const steps = {
    nothing: Effect.void,
    "default torrc": imported("ContactInfo a\n"),
    "default torrc, other": imported("ContactInfo b\n"),
    "geoip on": geoip("on"),
    "geoip off": geoip("off")
  }
  const names = ["nothing", "default torrc", "default torrc, other", "geoip on", "geoip off"] as const
  const Life = Schema.Array(Schema.Literals(names)).pipe(Schema.check(Schema.isMaxLength(10)))

  it.effect.prop("are 304 exactly when the body would be the same", [Life], ([life]) =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const [node] = yield* enabledMany(1)
      if (node === undefined) return assert.fail("no node")
      const { token } = node
      yield* (yield* NetworkAdministration).set("test", network)
      yield* ask({ path: "/private/specs", body: specs, token })
      for (const path of ["/private/config/node", "/private/config/resolved/node"]) {
        let last = yield* ask({ path, token })
        for (const name of ["nothing", ...names, ...life] as const) {
          yield* steps[name]
          const whole = yield* ask({ path, token })
          assert.strictEqual(whole.status, 200)
          assert.strictEqual(whole.etag, etagOf(whole.text))
          const answer = yield* ask({ path, token, ifNoneMatch: last.etag ?? "" })
          assert.strictEqual(answer.status, whole.text === last.text ? 304 : 200, name)
          assert.strictEqual(answer.text, answer.status === 304 ? "" : whole.text)
          assert.strictEqual(answer.etag, whole.etag)
          last = whole
        }
      }
    }).pipe(Effect.provide(testApi())), runs(10))

  it.effect("are not given away by a condition", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      assert.strictEqual((yield* ask({ path: "/private/config/resolved/node", ifNoneMatch: "*" })).status, 401)
    }).pipe(Effect.provide(testApi())))
})
