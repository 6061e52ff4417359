import { assert, describe, it } from "@effect/vitest"
import { ProofChallenge } from "@patela/domain/api/Proof"
import { attestationKeyTemplate } from "@patela/tpm/identity/AttestationKey"
import { endorsementKeyTemplates } from "@patela/tpm/identity/EndorsementKey"
import { encodePublicHex } from "@patela/tpm/structures/TpmtPublic"
import { Arbitrary, Effect, Schema } from "effect"
import { createHash } from "node:crypto"
import { DatabaseSync } from "node:sqlite"
import { httpsAsk } from "../../packages/server/test/rig/httpsAsk.ts"
import { type FloodRequest, httpsFlood } from "../../packages/server/test/rig/httpsFlood.ts"
import { runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import { sameBiscuit } from "../../packages/server/test/rig/sameBiscuit.ts"
import { SealedText } from "../../packages/server/test/rig/SealedAnswer.ts"
import { softwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"
import { SQLITE_TABLES } from "../../packages/server/test/rig/tableNames.ts"
import { keyOf } from "../../packages/tpm/test/fixtures.ts"
import { alter, Mutation } from "./alteredRequest.ts"

const TIMEOUT = 300_000

/** The limits are not what is tested here. */
const UNLIMITED = {
  PATELA_NEW_PER_SOURCE: "9999999",
  PATELA_NEW_IN_ALL: "9999999",
  PATELA_AUTH_PER_NODE: "9999999"
}

const Waiting = Schema.fromJsonString(Schema.Struct({ proof: ProofChallenge }))

/** All that the database holds, but for when somebody was last seen. */
const contentOf = (folder: string): string => {
  const database = new DatabaseSync(`${folder}/patela.db`, { readOnly: true })
  try {
    const tables = database.prepare(SQLITE_TABLES).all().map(({ name }) => String(name))
    return JSON.stringify(
      tables.map((table) => database.prepare(`SELECT * FROM ${table}`).all().map((row) => ({ ...row, last_seen: "" })))
    )
  } finally {
    database.close()
  }
}

/** A real server with an enabled node, and one that waits. */
const house = Effect.gen(function*() {
  const patela = yield* runningPatelaWith(UNLIMITED)
  const node = yield* patela.enrolled
  const waiting = softwareTpm()
  yield* patela.ask("/public/auth", JSON.stringify(waiting.request))
  const content = Effect.sync(() => contentOf(patela.folder))
  /** Every request is answered with one of the statuses, and the database stays as it was. */
  const refusesAll = Effect.fnUntraced(
    function*(requests: ReadonlyArray<FloodRequest>, expected: ReadonlyArray<number>) {
      const before = yield* content
      const wrong: Array<string> = []
      const statuses = yield* httpsFlood({
        port: patela.server.port,
        ca: patela.pem,
        requests,
        sockets: 20,
        saw: (status, request) => {
          if (!expected.includes(status)) wrong.push(`${status} ${JSON.stringify(request)}`)
        }
      })
      assert.deepStrictEqual(wrong, [])
      assert.strictEqual(yield* content, before)
      return statuses
    }
  )
  const challenged = Effect.gen(function*() {
    const { text } = yield* patela.ask("/public/auth", JSON.stringify(node.tpm.request))
    return yield* Schema.decodeEffect(SealedText)(text)
  })
  const config = (token: string) => patela.ask("/private/config/resolved/node", undefined, token)
  return { ...patela, node, waiting, content, refusesAll, challenged, config }
})

const flipped = (hex: string, bit: number): string => {
  const bytes = Buffer.from(hex, "hex")
  bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
  return bytes.toString("hex")
}

/** The Name that goes with an altered public area, so that it is the area and not its Name that is wrong. */
const nameFor = (publicHex: string): string =>
  `000b${createHash("sha256").update(Buffer.from(publicHex, "hex").subarray(2)).digest("hex")}`

const auth = (body: unknown): FloodRequest => ({ path: "/public/auth", body: JSON.stringify(body) })

describe("keys that are nearly right", () => {
  it.live(
    "each bit of the EK templates and of the AK template, flipped, is refused by field",
    () =>
      Effect.gen(function*() {
        const { refusesAll, ask } = yield* house
        const { request } = softwareTpm()
        const requests: Array<FloodRequest> = []
        for (const [kind, template] of Object.entries(endorsementKeyTemplates)) {
          const ek_public = encodePublicHex(keyOf(template))
          // Of an RSA modulus nearly any other number could be one; of a point each bit makes it leave the curve.
          const bytes = kind === "rsa-2048" ? ek_public.length / 2 - 256 : ek_public.length / 2
          for (let bit = 0; bit < bytes * 8; bit++) {
            requests.push(auth({ ...request, ek_public: flipped(ek_public, bit) }))
          }
        }
        const akHex = encodePublicHex(keyOf(attestationKeyTemplate))
        for (let bit = 0; bit < akHex.length * 4; bit++) {
          const ak_public = flipped(akHex, bit)
          requests.push(auth({ ...request, ak_public, ak_name: nameFor(ak_public) }))
        }
        for (let bit = 0; bit < 34 * 8; bit++) {
          requests.push(auth({ ...request, ak_name: flipped(request.ak_name, bit) }))
        }
        assert.isAbove(requests.length, 3800)
        const statuses = yield* refusesAll(requests, [400])
        assert.strictEqual(statuses.get(400), requests.length)
        // What all of these are one bit away from is taken.
        const whole = yield* ask(
          "/public/auth",
          JSON.stringify({ ...request, ak_public: akHex, ak_name: nameFor(akHex) })
        )
        assert.strictEqual(whole.status, 401)
      }),
    TIMEOUT
  )
})

const mutations = (count: number) => Arbitrary.sampleEffect(Arbitrary.schema(Mutation), { count })

describe("requests that were altered", () => {
  it.live(
    "law: 10,000 of an enabled node's and of a waiting machine's are each a 4xx, and change nothing",
    () =>
      Effect.gen(function*() {
        const { refusesAll, node, waiting, config } = yield* house
        const requests = (yield* mutations(22_000)).flatMap((mutation, index) => {
          const body = alter(index % 2 === 0 ? node.tpm.request : waiting.request, mutation)
          return body === undefined ? [] : [{ path: "/public/auth", body }]
        })
        assert.isAtLeast(requests.length, 10_000)
        yield* refusesAll(requests, [400])
        assert.strictEqual((yield* config(node.token)).status, 200)
      }),
    TIMEOUT
  )

  it.live(
    "law: 2,000 altered proofs are each a 4xx and prove nothing; the true one does",
    () =>
      Effect.gen(function*() {
        const { refusesAll, waiting, ask } = yield* house
        const { text } = yield* ask("/public/auth", JSON.stringify(waiting.request))
        const proof = waiting.prove((yield* Schema.decodeEffect(Waiting)(text)).proof)
        const requests = (yield* mutations(2000)).flatMap((mutation) => {
          const body = alter(proof, mutation)
          return body === undefined ? [] : [{ path: "/public/proof", body }]
        })
        yield* refusesAll(requests, [400, 403])
        assert.strictEqual((yield* ask("/public/proof", JSON.stringify(proof))).status, 204)
        yield* refusesAll([{ path: "/public/proof", body: JSON.stringify(proof) }], [403])
      }),
    TIMEOUT
  )

  it.live("law: 2,000 altered tokens are each a 401", () =>
    Effect.gen(function*() {
      const { refusesAll, node, config } = yield* house
      assert.strictEqual((yield* config(node.token)).status, 200)
      const requests = (yield* mutations(2000)).map(({ at, value }) => {
        const place = at % node.token.length
        const letter = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[value % 64] ?? "A"
        return {
          path: "/private/config/resolved/node",
          token: node.token.slice(0, place) + letter + node.token.slice(place + 1)
        }
      }).filter(({ token }) => !sameBiscuit(node.token, token))
      assert.isAbove(requests.length, 1500)
      yield* refusesAll(requests, [401])
      assert.strictEqual((yield* config(node.token)).status, 200)
    }), TIMEOUT)
})

describe("one machine for another", () => {
  it.live(
    "nobody overwrites a node's attestation key, and what is asked with another stays a stranger's",
    () =>
      Effect.gen(function*() {
        const { node, ask, content, config, administration } = yield* house
        assert.strictEqual((yield* config(node.token)).status, 200)
        const attacker = softwareTpm()
        const { ak_public, ak_name } = attacker.request
        const before = yield* administration.node(node.id)
        const answer = yield* ask("/public/auth", JSON.stringify({ ...node.tpm.request, ak_public, ak_name }))
        assert.strictEqual(answer.status, 401)
        assert.notInclude(answer.text, `node ${node.id} `)
        const after = yield* administration.node(node.id)
        assert.deepStrictEqual({ ...after, last_seen: "" }, { ...before, last_seen: "" })
        assert.strictEqual((yield* config(node.token)).status, 200)
        // Its proof is for the victim's EK and its own AK: neither TPM has both.
        const { proof } = yield* Schema.decodeEffect(Waiting)(answer.text)
        assert.throws(() => attacker.prove(proof))
        assert.throws(() => node.tpm.prove(proof))
        assert.include(yield* content, ak_name, "it waits under a number of its own")
      }),
    TIMEOUT
  )

  it.live(
    "a node's token gives its own data, whatever else the request names, and changes nothing of another's",
    () =>
      Effect.gen(function*() {
        const { node, enrolled, ask } = yield* house
        const other = yield* enrolled
        const specs = JSON.stringify({ n_cpus: 2, memory: 8 * 1024 ** 3, cpu_name: "test" })
        const relaysOf = (token: string, query = "") =>
          Effect.map(ask(`/private/config/node${query}`, undefined, token), ({ text }) => text)
        for (const { token } of [node, other]) {
          assert.strictEqual((yield* ask("/private/specs", specs, token)).status, 200)
        }
        const [own, others] = [yield* relaysOf(node.token), yield* relaysOf(other.token)]
        assert.notStrictEqual(own, others)
        assert.strictEqual(yield* relaysOf(node.token, `?id=${other.id}&node=${other.id}`), own)
        assert.strictEqual((yield* ask(`/private/config/node/${other.id}`, undefined, node.token)).status, 404)
        const Names = Schema.fromJsonString(Schema.Array(Schema.Struct({ name: Schema.String })))
        const relays = (yield* Schema.decodeEffect(Names)(others)).map(({ name }) => ({
          name,
          fingerprint: { rsa: "A".repeat(40), ed25519: "a".repeat(43) },
          blocked: "by another"
        }))
        const report = { node: other.id, relays, tor_version: null, generation: 1, rolled_back: null }
        assert.strictEqual((yield* ask("/private/report", JSON.stringify(report), node.token)).status, 204)
        assert.strictEqual(yield* relaysOf(other.token), others, "the other's relays have no fingerprint of its making")
      }),
    TIMEOUT
  )

  it.live("a challenge replayed, to another or after its session, opens nothing", () =>
    Effect.gen(function*() {
      const { node, waiting, challenged, config, administration } = yield* house
      const recorded = yield* challenged
      assert.throws(() => waiting.open(recorded))
      assert.throws(() => node.tpm.open({ ...recorded, challenge: "00".repeat(16) }))
      const token = node.tpm.open(recorded)
      assert.strictEqual((yield* config(token)).status, 200)
      assert.isTrue(yield* administration.revoke("test", node.id))
      assert.strictEqual((yield* config(node.tpm.open(recorded))).status, 401)
    }), TIMEOUT)

  it.live(
    "two servers before one database: each takes the other's challenge, once, and knows at once who was revoked",
    () =>
      Effect.gen(function*() {
        const { node, waiting, challenged, start, pem, cli, folder, ask } = yield* house
        const second = yield* start()
        const asked = (path: string, body?: string, token?: string) =>
          httpsAsk({
            port: second.port,
            ca: pem,
            path,
            ...body === undefined ? {} : { body },
            ...token === undefined ? {} : { token }
          })
        const used = (token: string) =>
          Effect.all([ask, asked].map((at) => at("/private/config/resolved/node", undefined, token)), {
            concurrency: "unbounded"
          }).pipe(Effect.map((answers) => answers.map(({ status }) => status)))
        const challenge = yield* challenged
        assert.deepStrictEqual(yield* used(node.tpm.open(challenge)), [200, 200])
        const sessions = JSON.stringify(contentOf(folder).match(new RegExp(challenge.challenge, "g")) ?? [])
        assert.strictEqual(sessions, JSON.stringify([challenge.challenge]), "one session")
        const { text } = yield* asked("/public/auth", JSON.stringify(waiting.request))
        const proof = JSON.stringify(waiting.prove((yield* Schema.decodeEffect(Waiting)(text)).proof))
        assert.strictEqual((yield* ask("/public/proof", proof)).status, 204)
        assert.strictEqual((yield* asked("/public/proof", proof)).status, 403)
        assert.strictEqual((yield* cli(["node", "revoke", String(node.id)])).code, 0)
        assert.deepStrictEqual(yield* used(node.tpm.open(challenge)), [401, 401])
      }),
    TIMEOUT
  )

  it.live("a live token ends with its node's being disabled, at the next request", () =>
    Effect.gen(function*() {
      const { node, config, cli, ask } = yield* house
      assert.strictEqual((yield* config(node.token)).status, 200)
      assert.strictEqual((yield* cli(["node", "disable", String(node.id)])).code, 0)
      assert.strictEqual((yield* config(node.token)).status, 401)
      assert.strictEqual((yield* ask("/private/events", undefined, node.token)).status, 401)
      assert.strictEqual((yield* cli(["node", "enable", String(node.id)])).code, 0)
      assert.strictEqual((yield* config(node.token)).status, 401, "for good")
    }), TIMEOUT)
})
