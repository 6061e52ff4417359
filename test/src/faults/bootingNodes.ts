import { assert } from "@effect/vitest"
import { ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Schedule, Schema, Stream, SubscriptionRef } from "effect"
import { Audit } from "../../../packages/server/src/audit/Audit.ts"
import { verifyAudit } from "../../../packages/server/src/audit/verifyAudit.ts"
import { Nodes } from "../../../packages/server/src/nodes/Nodes.ts"
import { Relays } from "../../../packages/server/src/relays/Relays.ts"
import { type HttpsAnswer, httpsAsk } from "../../../packages/server/test/rig/httpsAsk.ts"
import type { runningPatelaWith } from "../../../packages/server/test/rig/runningPatela.ts"
import { SealedText } from "../../../packages/server/test/rig/SealedAnswer.ts"
import { softwareTpm } from "../../../packages/server/test/rig/SoftwareTpm.ts"

const Configured = Schema.fromJsonString(Schema.Array(ResolvedRelay))
const Resolved = Schema.fromJsonString(ResolvedNode)

const specs = JSON.stringify({ n_cpus: 2, memory: 8 * 1024 ** 3, cpu_name: "test" })

/** Each has two relays, and fingerprints which only have to be other ones for each. */
const RELAYS = 2
const fingerprintOf = (slot: number, id: number) => {
  const digits = (id * RELAYS + slot).toString(16).padStart(8, "0")
  return { rsa: digits.repeat(5).toUpperCase(), ed25519: `${digits.repeat(5)}aaa` }
}

/** A server answered what it never should. */
class Wrong extends Schema.TaggedError<Wrong>()("Wrong", { message: Schema.String }) {}

/** A server could not answer, and says so. */
class Unable extends Schema.TaggedError<Unable>()("Unable", { message: Schema.String }) {}

/** Room for a thousand relays, and as many questions from one address as there are. */
export const UNLIMITED = {
  PATELA_FIRST_V4: "192.0.2.10",
  PATELA_PREFIX_V4: "22",
  PATELA_NEW_PER_SOURCE: "9999999",
  PATELA_NEW_IN_ALL: "9999999",
  PATELA_AUTH_PER_NODE: "9999999"
}

type House = Effect.Success<ReturnType<typeof runningPatelaWith>>

/** What a node was told. */
export interface Told {
  readonly id: NodeId
  readonly generation: number
  readonly relays: ReadonlyArray<ResolvedRelay>
}

/**
 * Nodes that boot, from being unknown to their first report. They ask the servers in turn, the next one where one does not
 * answer or says that it cannot, as the agent does for minutes; any other answer that is not expected is wrong. `missed`
 * is how many requests were asked again, `whenDone` waits until so many nodes have reported.
 */
export const bootingNodes = Effect.fnUntraced(function*(
  { administration, pem }: House,
  ports: ReadonlyArray<number>
) {
  const done = yield* SubscriptionRef.make(0)
  let missed = 0
  const askingFrom = (first: number) => {
    let turn = first
    return (expected: ReadonlyArray<number>, path: string, body?: string, token?: string) =>
      Effect.suspend(() => {
        const port = ports[turn % ports.length] ?? 0
        const more = { ...body === undefined ? {} : { body }, ...token === undefined ? {} : { token } }
        return httpsAsk({ port, ca: pem, path, ...more })
      }).pipe(
        Effect.flatMap((answer): Effect.Effect<HttpsAnswer, Unable> =>
          answer.status === 500 ? Effect.fail(new Unable({ message: answer.text })) : Effect.succeed(answer)
        ),
        Effect.tapError(() =>
          Effect.sync(() => {
            missed += 1
            turn += 1
          })
        ),
        Effect.retry({ times: 600, schedule: Schedule.spaced("50 millis") }),
        Effect.flatMap((answer) =>
          expected.includes(answer.status)
            ? Effect.succeed(answer)
            : Effect.fail(new Wrong({ message: `${path}: ${answer.status} ${answer.text}` }))
        )
      )
  }

  const boot = Effect.fnUntraced(function*(index: number) {
    const tpm = softwareTpm()
    const request = JSON.stringify(tpm.request)
    const ask = askingFrom(index)
    const waiting = yield* ask([401], "/public/auth", request)
    const id = NodeId.make(Number(/patela enable (\d+)/.exec(waiting.text)?.[1]))
    // A person does it, who tries again where the database is away.
    yield* Effect.retry(administration.setEnabled("test", id, true), {
      times: 600,
      schedule: Schedule.spaced("50 millis")
    })
    const { text } = yield* ask([200, 201], "/public/auth", request)
    const token = tpm.open(yield* Schema.decodeEffect(SealedText)(text))
    assert.strictEqual((yield* ask([200], "/private/specs", specs, token)).text, `{"relays":${RELAYS}}`)
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
    yield* SubscriptionRef.update(done, (count) => count + 1)
    return { id, generation, relays } satisfies Told
  })

  const whenDone = (count: number) =>
    SubscriptionRef.changes(done).pipe(Stream.takeUntil((now) => now >= count), Stream.runDrain)

  return { boot, whenDone, missed: () => missed }
})

/** What each was told is what there is, with the fingerprints that it reported: nothing was lost, nothing given twice. */
export const holdsAsTold = Effect.fnUntraced(function*({ services }: House, told: ReadonlyArray<Told>) {
  const count = told.length
  assert.strictEqual(new Set(told.map(({ id }) => id)).size, count)
  const rows = yield* Context.get(services, Relays).list
  assert.strictEqual(rows.length, RELAYS * count)
  for (const field of ["name", "ip_v4"] as const) {
    assert.strictEqual(new Set(rows.map((row) => row[field])).size, RELAYS * count)
  }
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
  const byName = (one: { readonly name: string }, other: { readonly name: string }) => one.name < other.name ? -1 : 1
  assert.deepStrictEqual<ReadonlyArray<unknown>>(stored.toSorted(byName), known.toSorted(byName))
  assert.isTrue(rows.every(({ alarm_at }) => alarm_at === null))
  const generations = new Map((yield* Context.get(services, Nodes).list).map(({ id, generation }) => [id, generation]))
  for (const { id, generation } of told) assert.strictEqual(generations.get(id), generation)
  const allocated = (yield* Context.get(services, Audit).newest(10_000)).filter(({ what }) =>
    what === "relays allocated"
  )
  assert.strictEqual(new Set(allocated.map(({ who }) => who)).size, count)
  assert.strictEqual(allocated.length, count, "each once")
  assert.deepStrictEqual((yield* Effect.provide(verifyAudit(), services)).faults, [])
})
