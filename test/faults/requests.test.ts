import { assert, describe, it } from "@effect/vitest"
import { ProofChallenge } from "@patela/domain/api/Proof"
import { Effect, Schema } from "effect"
import { DatabaseSync } from "node:sqlite"
import { apiRoutes } from "../../packages/server/src/http/apiRoutes.ts"
import { httpsFlood } from "../../packages/server/test/rig/httpsFlood.ts"
import { rawTls } from "../../packages/server/test/rig/rawTls.ts"
import { runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import { SealedText } from "../../packages/server/test/rig/SealedAnswer.ts"
import { softwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"
import { numberFrom, seeded } from "../src/faults/seeded.ts"
import { mutatedRequest, type Template } from "./mutatedRequest.ts"

const TIMEOUT = 1_800_000

/** Of each route. */
const REQUESTS = numberFrom("PATELA_FUZZ_REQUESTS", 10_000)
const SEED = numberFrom("PATELA_FAULT_SEED", 1)

/** The limits are not what is tested here. */
const UNLIMITED = {
  PATELA_NEW_PER_SOURCE: "9999999",
  PATELA_NEW_IN_ALL: "9999999",
  PATELA_AUTH_PER_NODE: "9999999"
}

const Waiting = Schema.fromJsonString(Schema.Struct({ proof: ProofChallenge }))

const house = Effect.gen(function*() {
  const patela = yield* runningPatelaWith(UNLIMITED)
  const node = yield* patela.enrolled
  const other = yield* patela.enrolled
  const waiting = softwareTpm()
  const asked = yield* patela.ask("/public/auth", JSON.stringify(waiting.request))
  const { proof } = yield* Schema.decodeEffect(Waiting)(asked.text)
  /** A token of now: they end after 15 minutes, which is less than all this may take. */
  const fresh = Effect.fnUntraced(function*({ tpm }: typeof node) {
    const { text } = yield* patela.ask("/public/auth", JSON.stringify(tpm.request))
    return tpm.open(yield* Schema.decodeEffect(SealedText)(text))
  })
  const specs = {
    n_cpus: 4,
    memory: 8 * 1024 ** 3,
    cpu_name: "EPYC",
    hostname: "rack1",
    kernel: "6.1",
    agent_version: "0.1.0",
    clock: 1_800_000_000_000
  }
  for (const each of [node.token, other.token]) yield* patela.ask("/private/specs", JSON.stringify(specs), each)
  const relays = ["toma", "brie"].map((name) => ({
    name,
    fingerprint: { rsa: "A".repeat(40), ed25519: "a".repeat(43) },
    blocked: null
  }))
  const evidence = {
    quote: "ff".repeat(100),
    signature: "00".repeat(72),
    pcr_values: [{ bank: "sha256", pcr: 0, value: "00".repeat(32) }],
    event_log: "00".repeat(300)
  }
  const templatesOf = (token: string): ReadonlyArray<Template> => [
    { method: "POST", path: "/public/auth", body: node.tpm.request },
    { method: "POST", path: "/public/proof", body: waiting.prove(proof) },
    { method: "POST", path: "/private/specs", body: specs, token },
    { method: "GET", path: "/private/config/node", token },
    { method: "GET", path: "/private/config/resolved/node", token },
    { method: "GET", path: "/private/events", token },
    { method: "POST", path: "/private/family-keys", body: { ids: ["A".repeat(43)] }, token },
    { method: "POST", path: "/private/evidence", body: evidence, token },
    {
      method: "POST",
      path: "/private/report",
      body: { generation: 1, rolled_back: null, relays, tor_version: "0.4.9.11" },
      token
    },
    { method: "GET", path: "/openapi.json" }
  ]
  /** What no request of the first node may change. */
  const others = Effect.sync(() => {
    const database = new DatabaseSync(`${patela.folder}/patela.db`, { readOnly: true })
    try {
      const rows = (statement: string) => database.prepare(statement).all(other.id)
      return JSON.stringify([
        rows("SELECT enabled, epoch, ek_public, torrc, n_cpus, cpu_name FROM nodes WHERE id = ?"),
        rows("SELECT * FROM relays WHERE node_id = ?"),
        database.prepare("SELECT COUNT(*) AS count FROM nodes WHERE enabled = 1").all(),
        database.prepare("SELECT name, sql FROM sqlite_master ORDER BY name").all(),
        database.prepare("SELECT * FROM settings ORDER BY name").all()
      ])
    } finally {
      database.close()
    }
  })
  const integrity = Effect.sync(() => {
    const database = new DatabaseSync(`${patela.folder}/patela.db`, { readOnly: true })
    try {
      return [
        ...database.prepare("PRAGMA integrity_check").all(),
        ...database.prepare("PRAGMA foreign_key_check").all()
      ].map((row) => ({ ...row }))
    } finally {
      database.close()
    }
  })
  /** That the server lives, serves, and left nothing half done. */
  const sound = Effect.fnUntraced(function*(before: string) {
    const token = yield* fresh(other)
    assert.strictEqual((yield* patela.ask("/private/config/resolved/node", undefined, token)).status, 200)
    assert.strictEqual(yield* others, before)
    assert.deepStrictEqual(yield* integrity, [{ integrity_check: "ok" }])
  })
  /** The same by the commands that a person has, for once. */
  const told = Effect.gen(function*() {
    const audit = yield* patela.cli(["audit", "verify"])
    assert.strictEqual(audit.code, 0, audit.stderr)
    const listed = yield* patela.cli(["list", "all"])
    assert.strictEqual(listed.code, 0, listed.stderr)
    assert.notMatch(listed.stdout, /[\u0000-\u0008\u000b-\u001f\u007f]/, "nothing that moves a terminal's cursor")
  })
  const templates = Effect.map(fresh(node), templatesOf)
  return { ...patela, templates, others, sound, told }
})

/** What a request that is still a good one is answered with. */
const GOOD = new Set([200, 201, 204, 304])

describe("mutated requests", () => {
  it.live(
    `law: ${REQUESTS} to every route are each a 4xx or a right answer, and leave the server and its database sound`,
    () =>
      Effect.gen(function*() {
        const { server, pem, templates, others, sound, told } = yield* house
        const before = yield* others
        const all = yield* templates
        const paths = all.map(({ path }) => path)
        assert.deepStrictEqual(paths.toSorted(), apiRoutes.map(({ path }) => path).toSorted(), "every route there is")
        const { length } = all
        for (let at = 0; at < length; at += 1) {
          const template = (yield* templates)[at]
          if (template === undefined) return assert.fail("no such route")
          const pick = seeded(SEED * 100 + at)
          const wrong: Array<string> = []
          const statuses = yield* httpsFlood({
            port: server.port,
            ca: pem,
            requests: Array.from({ length: REQUESTS }, () => mutatedRequest(template, pick)),
            sockets: 20,
            saw: (status, request) => {
              if (status >= 400 && status < 500 || GOOD.has(status)) return
              wrong.push(`${status} ${JSON.stringify(request).slice(0, 2000)}`)
            }
          })
          assert.deepStrictEqual(wrong, [], template.path)
          const refused = [...statuses].reduce((sum, [status, count]) => sum + (status >= 400 ? count : 0), 0)
          assert.isAbove(refused, REQUESTS / 10)
          yield* Effect.logInfo(`${template.method} ${template.path}: ${JSON.stringify([...statuses])}`)
          yield* sound(before)
        }
        yield* told
        assert.notInclude(server.said(), "a request failed", "nothing was an error of the server's own")
      }),
    TIMEOUT
  )

  it.live(
    "law: 3,000 whose bytes are altered are each a 4xx, a right answer or a closed connection",
    () =>
      Effect.gen(function*() {
        const { server, pem, templates, others, sound, told } = yield* house
        const before = yield* others
        const pick = seeded(SEED)
        const all = yield* templates
        const wrong: Array<string> = []
        const one = (sent: Buffer) =>
          Effect.scoped(Effect.gen(function*() {
            const socket = yield* rawTls({ port: server.port, ca: pem })
            socket.write(sent.toString("latin1"))
            socket.end()
            yield* Effect.raceFirst(
              Effect.sleep("500 millis"),
              Effect.promise(() => socket.ended)
            )
            for (const [, status = ""] of socket.text().matchAll(/^HTTP\/1\.1 (\d{3}) /gm)) {
              if (!status.startsWith("4") && !GOOD.has(Number(status))) {
                wrong.push(`${status} ${sent.toString("latin1")}`)
              }
            }
          }))
        const requests = Array.from({ length: 3000 }, (_, at) => {
          const { method, path, body, token } = all[at % all.length] ?? { method: "GET", path: "/" }
          const text = body === undefined ? "" : JSON.stringify(body)
          const bytes = Buffer.from(
            `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n` +
              (token === undefined ? "" : `Authorization: Bearer ${token}\r\n`) +
              (text === "" ? "" : `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n`) +
              `\r\n${text}`
          )
          for (let changes = 1 + pick(4); changes > 0; changes -= 1) bytes.writeUInt8(pick(256), pick(bytes.length))
          return bytes
        })
        yield* Effect.forEach(requests, one, { concurrency: 30, discard: true })
        assert.deepStrictEqual(wrong, [])
        yield* sound(before)
        yield* told
      }),
    TIMEOUT
  )
})
