import { NodeId } from "@patela/domain/node/NodeId"
import { Effect, Schema } from "effect"
import { runningPatelaWith } from "../packages/server/test/rig/runningPatela.ts"
import { SealedText } from "../packages/server/test/rig/SealedAnswer.ts"
import { softwareTpm } from "../packages/server/test/rig/SoftwareTpm.ts"
import type { Bench } from "./Bench.ts"
import { processorOf } from "./herd/processor.ts"
import { httpsLoad, type LoadRequest } from "./httpsLoad.ts"
import { atLeast, median, percentile, plain } from "./Row.ts"

/** Nodes that ask, requests of one round (a multiple of them), and connections that they come over. */
const NODES = 32
const REQUESTS = 2048
const SOCKETS = 16
const ROUNDS = 5
/** Rounds before those that count. */
const WARMING = 3

/** The limits are not what is measured. */
const UNLIMITED = { PATELA_NEW_PER_SOURCE: "9999999", PATELA_NEW_IN_ALL: "9999999", PATELA_AUTH_PER_NODE: "9999999" }

/** The server did not do what was measured. */
class ServerFault extends Schema.TaggedError<ServerFault>()("ServerFault", { message: Schema.String }) {}

const house = Effect.gen(function*() {
  const patela = yield* runningPatelaWith(UNLIMITED)
  const tpms = yield* Effect.forEach(Array.from({ length: NODES }), () =>
    Effect.gen(function*() {
      const tpm = softwareTpm()
      const { text } = yield* patela.ask("/public/auth", JSON.stringify(tpm.request))
      yield* patela.administration.setEnabled("bench", NodeId.make(Number(/patela enable (\d+)/.exec(text)?.[1])), true)
      return tpm
    }))
  const load = Effect.fnUntraced(function*(requests: ReadonlyArray<LoadRequest>) {
    const done = yield* httpsLoad({ port: patela.server.port, ca: patela.pem, requests, sockets: SOCKETS })
    const wrong = done.statuses.find((status) => status !== 200 && status !== 201)
    if (wrong !== undefined) return yield* new ServerFault({ message: `the server answered ${wrong}` })
    return done
  })
  return { tpms, load, processor: processorOf(patela.server.pid ?? 0) }
})

/**
 * What a server does in a second of processor time, whatever else the machine does: a process of its own with its SQLite
 * file, over TLS 1.3 on kept connections. A challenge is an answer to POST /public/auth of an enabled node. An authentication is a challenge and the first use of its
 * token, which writes the session; opening it, the TPM's part, is left out.
 */
export const challenges: Bench = {
  names: ["tpm.challenges_per_s", "tpm.challenge_p99_ms", "tpm.authentications_per_s"],
  needsRoot: false,
  run: () =>
    Effect.gen(function*() {
      const { load, processor, tpms } = yield* house
      /** With the seconds of processor time of one request. */
      const costed = Effect.fnUntraced(function*(requests: ReadonlyArray<LoadRequest>) {
        const before = yield* processor
        const done = yield* load(requests)
        return { ...done, each: ((yield* processor) - before) / requests.length }
      })
      const turn = (at: number) => tpms[at % NODES] ?? softwareTpm()
      const asking = Array.from({ length: REQUESTS }, (_, at) => ({
        path: "/public/auth",
        body: JSON.stringify(turn(at).request)
      }))
      // A server that runs has long been compiled: it takes some thousand requests.
      yield* Effect.replicateEffect(load(asking), WARMING, { discard: true })
      const rounds = yield* Effect.replicateEffect(
        Effect.gen(function*() {
          const asked = yield* costed(asking)
          // The newest, for a token not used within a minute is none; and few of each node, or sessions would end others.
          const used = yield* Effect.forEach(asked.texts.slice(-NODES * 8), (text, at) =>
            Effect.map(Schema.decodeEffect(SealedText)(text), (sealed) => ({
              path: "/private/config/resolved/node",
              token: turn(at).open(sealed)
            })))
          const begun = yield* costed(used)
          return { asked: 1 / asked.each, p99: percentile(asked.millis, 99), both: 1 / (asked.each + begun.each) }
        }),
        ROUNDS
      )
      return [
        atLeast(
          "tpm.challenges_per_s",
          median(rounds.map(({ asked }) =>
            asked
          )),
          "/s",
          1000
        ),
        plain("tpm.challenge_p99_ms", median(rounds.map(({ p99 }) => p99)), "ms"),
        plain("tpm.authentications_per_s", median(rounds.map(({ both }) => both)), "/s")
      ]
    }).pipe(Effect.mapError(({ message }) => new ServerFault({ message })))
}
