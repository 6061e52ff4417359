import { assert, describe, it } from "@effect/vitest"
import type { LayerEdit } from "@patela/domain/torrc/editLayer"
import { Effect, Option, Schema } from "effect"
import { Audit } from "../src/audit/Audit.ts"
import { FamilyAdministration } from "../src/family/FamilyAdministration.ts"
import { newFamilySecret } from "../src/family/newFamilySecret.ts"
import { Generation } from "../src/generation/Generation.ts"
import { Relays } from "../src/relays/Relays.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { Settings } from "../src/settings/Settings.ts"
import { TorrcLayers } from "../src/torrc/TorrcLayers.ts"
import type { TorrcScope } from "../src/torrc/TorrcScope.ts"
import { enabledMany, network, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const AnyOption = Schema.Literals([
  "NumCPUs",
  "ExitPolicy",
  "+ExitPolicy",
  "ContactInfo",
  "Nickname",
  "ControlPort",
  "Foo"
])
const Edit = Schema.Union([
  Schema.Struct({
    how: Schema.Literal("replace"),
    text: Schema.Literals(["", "NumCPUs 1 # one\n", "ExitPolicy accept *:80\nNickname x\n", "User root\n", "Foo 1\n"])
  }),
  Schema.Struct({
    how: Schema.Literal("set"),
    option: AnyOption,
    values: Schema.Array(Schema.Literals(["1", "reject *:*", "a # b"])).pipe(Schema.check(Schema.isMaxLength(2)))
  }),
  Schema.Struct({ how: Schema.Literal("remove"), option: AnyOption })
])
const Life = Schema.Array(Schema.Struct({ of: Schema.Literals(["default", "node", "relay"]), edit: Edit })).pipe(
  Schema.check(Schema.isMaxLength(12))
)

/** A node with relays. */
const settled = Effect.gen(function*() {
  yield* enabledMany(1)
  yield* (yield* NetworkAdministration).set("test", network)
  const { ask } = yield* TestApi
  yield* ask({ path: "/private/specs", body: specs, token: yield* tokenOf(node1) })
  return (yield* (yield* Relays).list).map(({ name }) => name)
})

const scopes = Effect.map(settled, ([first]): Readonly<Record<"default" | "node" | "relay", TorrcScope>> => {
  if (first === undefined) throw new Error("the node has no relay")
  return { default: { of: "default" }, node: { of: "node", id: node1 }, relay: { of: "relay", name: first } }
})

const replace = (text: string): LayerEdit => ({ how: "replace", text })
const set = (option: string, ...values: ReadonlyArray<string>): LayerEdit => ({ how: "set", option, values })

describe("layers of torrc", () => {
  it.effect.prop(
    "change as the preview said, with one entry in the audit log, or not at all",
    [Life],
    ([life]) =>
      Effect.gen(function*() {
        const layers = yield* TorrcLayers
        const { newest } = yield* Audit
        const { current } = yield* Generation
        const { rows } = yield* TestApi
        const scopeOf = yield* scopes
        for (const { of, edit } of life) {
          const scope = scopeOf[of]
          const [before, text, generation] = [yield* rows, yield* layers.get(scope), yield* current]
          const foreseen = yield* Effect.option(layers.preview(scope, edit))
          assert.strictEqual(yield* rows, before, "a preview stores nothing")
          const done = yield* Effect.option(layers.change("ada", scope, edit))
          if (Option.isNone(done)) {
            assert.isTrue(Option.isNone(foreseen))
            assert.strictEqual(yield* rows, before, "nothing is stored of what is refused")
            continue
          }
          const { fleet: _, ...change } = Option.getOrThrow(foreseen)
          assert.deepStrictEqual(change, done.value)
          assert.strictEqual(done.value.before, text)
          assert.strictEqual(yield* layers.get(scope), done.value.after)
          if (edit.how !== "replace" && done.value.after === text) {
            assert.strictEqual(yield* rows, before, "where it says so already nothing is stored")
            continue
          }
          assert.strictEqual(yield* current, generation + 1)
          const [entry] = yield* newest(1)
          assert.deepInclude(entry, { who: "ada", value_before: text, value_after: done.value.after })
        }
      }).pipe(Effect.provide(testApi())),
    { arbitrary: { runs: 25 } }
  )

  it.effect("of settings made at once none is lost", () =>
    Effect.gen(function*() {
      const layers = yield* TorrcLayers
      const names = ["NumCPUs", "HeartbeatPeriod", "ContactInfo", "DirCache", "ExitRelay"]
      yield* Effect.forEach(names, (name) => layers.change("ada", { of: "default" }, set(name, "1")), {
        concurrency: "unbounded"
      })
      const text = yield* layers.get({ of: "default" })
      assert.deepStrictEqual(
        text.split("\n").filter((line) => line !== "").map((line) => line.split(" ")[0]).sort(),
        [
          ...names
        ].sort()
      )
    }).pipe(Effect.provide(testApi())))

  it.effect("hold one that is empty, which is another thing than none", () =>
    Effect.gen(function*() {
      const { torrc } = yield* Settings
      assert.isTrue(Option.isNone(yield* torrc))
      yield* (yield* TorrcLayers).change("ada", { of: "default" }, replace(""))
      assert.deepStrictEqual(yield* torrc, Option.some(""))
    }).pipe(Effect.provide(testApi())))

  it.effect("say of what is refused the line, the column and why, and warn of what Patela manages", () =>
    Effect.gen(function*() {
      const layers = yield* TorrcLayers
      const scope: TorrcScope = { of: "default" }
      yield* layers.change("ada", scope, replace("# mine\nNumCPUs 2\nORPort 9001\n"))
      const refused = yield* Effect.flip(layers.change("ada", scope, set("ControlPort", "9051")))
      assert.include(refused.message, "line 4, column 1: ControlPort is refused: it would open")
      const refusedFile = yield* Effect.flip(layers.change("ada", scope, replace("NumCPUs 1\n  User root\n")))
      assert.include(refusedFile.message, "line 2, column 3: User is refused: the relay would leave its own user")
      const unknown = yield* Effect.flip(layers.change("ada", scope, set("ExitPolcy", "reject *:*")))
      assert.include(unknown.message, "did you mean ExitPolicy?")
      const { warnings } = yield* layers.change("ada", scope, set("nick", "x"))
      assert.deepStrictEqual(warnings, [
        "\"nick\" is an abbreviation of Nickname",
        "line 4, column 1: Nickname is left out: Patela manages it; the nickname is the relay's name"
      ])
      assert.strictEqual(yield* layers.resolved(scope), "NumCPUs 2\n")
    }).pipe(Effect.provide(testApi())))

  it.effect("are explained with the lines that declare a family, where the node can have them", () =>
    Effect.gen(function*() {
      const { relay } = yield* scopes
      const layers = yield* TorrcLayers
      const declared = Effect.map(
        layers.explained(relay),
        (lines) => lines.filter(({ text }) => text.startsWith("FamilyId ")).map(({ from, text }) => `${from}: ${text}`)
      )
      assert.deepStrictEqual(yield* declared, [])
      const id = yield* (yield* FamilyAdministration).begin("test", "created", yield* newFamilySecret)
      const { ask } = yield* TestApi
      const report = { relays: [], tor_version: "0.4.9.11", generation: 1, rolled_back: null }
      yield* ask({ path: "/private/report", body: report, token: yield* tokenOf(node1) })
      assert.deepStrictEqual(yield* declared, [`Patela: FamilyId ${id}`])
    }).pipe(Effect.provide(testApi())))
})
