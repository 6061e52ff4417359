import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { StoreServicesNoDatabase } from "../src/commands/StoreServices.ts"
import { certificateFindings } from "../src/doctor/certificateFindings.ts"
import { clockFinding } from "../src/doctor/clockFinding.ts"
import { examine } from "../src/doctor/examine.ts"
import { gravest } from "../src/doctor/Finding.ts"
import { modeFinding } from "../src/doctor/modeFinding.ts"
import { poolFinding } from "../src/doctor/poolFinding.ts"
import { newTokenKey } from "../src/session/TokenKey.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { layerAt } from "../src/store/Store.ts"
import { TorrcLayers } from "../src/torrc/TorrcLayers.ts"
import { patela, type Variables } from "./rig/commandLine.ts"
import { network } from "./rig/Fleet.ts"
import { selfSigned } from "./rig/selfSigned.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"
import { environment } from "./rig/TestApi.ts"

const TIMEOUT = 120_000
const DAY = 86_400_000

const Report = Schema.fromJsonString(Schema.Struct({
  level: Schema.String,
  findings: Schema.Array(
    Schema.Struct({
      check: Schema.String,
      level: Schema.String,
      message: Schema.String,
      advice: Schema.NullOr(Schema.String)
    })
  )
}))

describe("a certificate", () => {
  it.effect("is judged by its time, its names and its key", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const { pem, key } = yield* selfSigned(folder)
      mkdirSync(`${folder}/other`)
      const other = yield* selfSigned(`${folder}/other`)
      const now = Date.now()
      const own = { certificate: pem, key: Redacted.make(readFileSync(key, "utf8")), now, name: undefined }
      const said = (input: Partial<Parameters<typeof certificateFindings>[0]>) =>
        certificateFindings({ ...own, ...input }).filter(({ level }) => level !== "fine")
          .map(({ level, message }) => `${level} ${message}`)
      const [soon = "", ...rest] = said({})
      assert.match(soon, /^warning the certificate of CN=localhost ends in 1 days/)
      assert.isEmpty(rest)
      assert.isEmpty(said({ name: "127.0.0.1" }).slice(1))
      assert.match(said({ now: now + 3 * DAY })[0] ?? "", /^wrong .* ended on/)
      assert.match(said({ now: now - 3 * DAY })[0] ?? "", /^wrong .* yet to come/)
      assert.match(
        said({ name: "patela.example.org" })[0] ?? "",
        /^wrong it is not for patela.example.org but for IP Address:127/
      )
      assert.match(said({ key: Redacted.make(readFileSync(other.key, "utf8")) })[0] ?? "", /another certificate/)
      assert.match(said({ key: Redacted.make("no key") })[0] ?? "", /cannot be read/)
      assert.match(said({ certificate: "none" })[0] ?? "", /no certificate in PEM/)
      assert.match(said({ certificate: `${pem}${pem.replace("MII", "MIJ")}` })[0] ?? "", /no certificate in PEM/)
    }))
})

describe("pools", () => {
  const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 254 })))

  it.prop(
    "law: are used up without a free address, nearly under a tenth, and have room otherwise, all together",
    [Count],
    ([count]) => {
      const { level } = poolFinding("IPv4", [{ size: 100, free: Math.max(0, 100 - count) }, {
        size: 154,
        free: Math.min(154, 254 - count)
      }])
      assert.strictEqual(level, count === 254 ? "wrong" : (254 - count) * 9 <= count ? "warning" : "fine")
    }
  )
})

describe("a file, and the clock", () => {
  it("are for the server alone, and past what was written", () => {
    const level = (mode: number) => modeFinding("x", "/f", mode, "secret").level
    assert.deepStrictEqual([0o100600, 0o100640, 0o100644, 0o100602].map(level), ["fine", "warning", "wrong", "wrong"])
    assert.strictEqual(modeFinding("x", "/d", 0o40777, "folder").level, "warning")
    assert.strictEqual(modeFinding("x", "/d", 0o41777, "folder").level, "fine")
    const at = Date.parse("2026-03-01T00:00:00Z")
    assert.strictEqual(clockFinding(null, at).level, "fine")
    assert.strictEqual(clockFinding("2026-03-01T00:01:00.000Z", at).level, "fine")
    assert.strictEqual(clockFinding("2026-03-01T00:01:01.000Z", at).level, "wrong")
    assert.strictEqual(gravest([]), "fine")
  })
})

describe("patela doctor", () => {
  it.live("finds what is wrong, says what to do, and changes nothing", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const { cert, key } = yield* selfSigned(folder)
      chmodSync(key, 0o600)
      const variables = {
        HOME: folder,
        DATABASE_URL: `sqlite:${folder}/patela.db`,
        PATELA_BISCUIT_KEY: `file:${folder}/token.key`,
        PATELA_FIRST_V4: "192.0.2.10",
        PATELA_PREFIX_V4: "24",
        PATELA_SERVER_CERT: cert,
        PATELA_SERVER_KEY: key
      }
      const examined = Effect.fnUntraced(function*(more: Variables = {}) {
        const all: Variables = { ...variables, ...more }
        const { PATELA_SERVER_CERT: chain = "", PATELA_SERVER_KEY: own = "" } = all
        const findings = yield* examine({ cert: chain, key: own, name: undefined }).pipe(
          Effect.provide([NodeServices.layer, environment(all)])
        )
        const amiss = findings.filter(({ level }) => level !== "fine")
        assert.isTrue(amiss.every(({ advice }) => advice !== null && advice !== ""))
        assert.notInclude(JSON.stringify(findings), "ed25519-private")
        return {
          level: gravest(findings),
          amiss,
          text: amiss.map(({ check, message }) => `${check}: ${message}`).join("\n")
        }
      })
      const decided = <A, E>(effect: Effect.Effect<A, E, TorrcLayers | NetworkAdministration>) =>
        Effect.provide(effect, Layer.provide(StoreServicesNoDatabase, layerAt(`${folder}/patela.db`)))
      const nothing = yield* examined({ DATABASE_URL: "", PATELA_BISCUIT_KEY: "", PATELA_SERVER_KEY: "" })
      assert.strictEqual(nothing.level, "wrong")
      for (
        const what of ["DATABASE_URL is not set", "PATELA_BISCUIT_KEY is not set", "needs a certificate and its key"]
      ) {
        assert.include(nothing.text, what)
      }
      const before = yield* examined()
      assert.include(before.text, `database: there is none at ${folder}/patela.db`)
      writeFileSync(`${folder}/token.key`, Redacted.value(yield* newTokenKey), { mode: 0o600 })
      yield* decided(
        Effect.flatMap(TorrcLayers, (layers) => layers.import("test", { of: "default" }, "ContactInfo a\n"))
      )
      assert.include(
        (yield* examined({ PATELA_FIRST_V4: "", PATELA_PREFIX_V4: "" })).text,
        "settings: There is no pool"
      )
      assert.include((yield* examined({ PATELA_PREFIX_V4: "99" })).text, "pools: PATELA_FIRST_V4 and PATELA_PREFIX_V4")
      assert.include((yield* examined()).text, "settings: The relay network is not set")
      yield* decided(Effect.flatMap(NetworkAdministration, ({ set }) => set("test", network)))

      const good = yield* examined()
      assert.deepStrictEqual([good.level, good.amiss.length], ["warning", 1], good.text)
      assert.include(good.text, "ends in 1 days")
      const shown = yield* patela(variables, ["doctor"])
      assert.deepStrictEqual([shown.code, shown.stderr], [3, ""])
      assert.include(shown.stdout, "Renew it")

      chmodSync(`${folder}/token.key`, 0o644)
      chmodSync(`${folder}/patela.db`, 0o660)
      const open = yield* examined({ PATELA_EK_ROOTS: `${folder}/none` })
      assert.include(open.text, "token key: everybody on this machine may read")
      assert.include(open.text, "database: the group of")
      assert.include(open.text, "roots: The folder")
      const database = new DatabaseSync(`${folder}/patela.db`)
      database.exec("DROP TRIGGER audit_no_delete; DELETE FROM audit WHERE id = 1")
      database.close()
      assert.include((yield* examined()).text, "audit: it is not as it was written: entry 1 is missing")
      writeFileSync(`${folder}/patela.db`, "no database".repeat(500))
      assert.include((yield* examined()).text, "database: it cannot be read")
      const told = yield* patela(variables, ["doctor", "--json"])
      assert.deepStrictEqual([told.code, told.stderr], [1, ""])
      assert.strictEqual((yield* Schema.decodeEffect(Report)(told.stdout)).level, "wrong")
    }), TIMEOUT)
})
