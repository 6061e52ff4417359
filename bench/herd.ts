import { Console, Effect, Schema } from "effect"
import { postgresClusterWith } from "../packages/server/test/rig/PostgresCluster.ts"
import { makeTemplate, POSTGRES_VARIABLE } from "../packages/server/test/rig/testDatabase.ts"
import type { Bench } from "./Bench.ts"
import { fleetHouse } from "./herd/fleetHouse.ts"
import { herdOf } from "./herd/herdOf.ts"
import { COUNTING, postgresWorkOf } from "./herd/postgresWork.ts"
import { memoryOf, thisPinned } from "./herd/processor.ts"
import { streamsOf } from "./herd/streams.ts"
import { below, none, percentile, plain } from "./Row.ts"

/** Nodes that boot at once, and that have streams of events. */
const HERD = 1000
const STREAMS = 2 * HERD

/** The server has the first processor for itself, and who asks it the second. */
const SERVER = 0
const LOAD = 1

class HerdFault extends Schema.TaggedError<HerdFault>()("HerdFault", { message: Schema.String }) {}

const SQLITE = [
  "fleet.herd_1000_s",
  "fleet.herd_p50_ms",
  "fleet.herd_p99_ms",
  "fleet.herd_connect_p99_s",
  "fleet.herd_node_p50_s",
  "fleet.herd_errors",
  "fleet.herd_cpu_s",
  "fleet.server_rss_mib",
  "fleet.streams_2000_cpu_s_per_h",
  "fleet.streams_2000_rss_mib",
  "fleet.streams_2000_peak_mib",
  "fleet.event_fanout_2000_ms",
  "fleet.config_2000_s"
]
const POSTGRES = [
  "fleet.pg_herd_1000_s",
  "fleet.pg_herd_p99_ms",
  "fleet.pg_herd_connect_p99_s",
  "fleet.pg_herd_errors",
  "fleet.pg_herd_cpu_s",
  "fleet.pg_herd_postgres_cpu_s",
  "fleet.pg_statements_of_a_node",
  "fleet.pg_syncs_of_a_node"
]

const onSqlite = Effect.gen(function*() {
  const house = yield* fleetHouse(STREAMS, SERVER)
  const { each, nodes, processor, seconds, tally } = yield* herdOf(house, 0, HERD)
  // Nodes go on to ask: what follows is no part of it.
  const [answering, connecting] = [tally.answering, tally.connecting]
  const herdMemory = yield* memoryOf(house.pid, "VmHWM")
  const others = yield* herdOf(house, HERD, STREAMS)
  const streams = yield* streamsOf(house, [...nodes, ...others.nodes])
  return [
    below("fleet.herd_1000_s", seconds, "s", 15),
    plain("fleet.herd_p50_ms", percentile(answering, 50), "ms"),
    below("fleet.herd_p99_ms", percentile(answering, 99), "ms", 1000),
    plain("fleet.herd_connect_p99_s", percentile(connecting, 99) / 1000, "s"),
    plain("fleet.herd_node_p50_s", percentile(each, 50), "s"),
    none("fleet.herd_errors", tally.errors.length + others.tally.errors.length, ""),
    plain("fleet.herd_cpu_s", processor, "s"),
    below("fleet.server_rss_mib", herdMemory, "MiB", 300),
    plain("fleet.streams_2000_cpu_s_per_h", streams.restPerHour, "s"),
    plain("fleet.streams_2000_rss_mib", streams.restMemory, "MiB"),
    plain("fleet.streams_2000_peak_mib", yield* memoryOf(house.pid, "VmHWM"), "MiB"),
    below("fleet.event_fanout_2000_ms", streams.fanout, "ms", 1000),
    plain("fleet.config_2000_s", streams.reading, "s")
  ]
})

const oneLine = (query: string): string => query.replaceAll(/\s+/g, " ").slice(0, 120)

/** Debian's PostgreSQL, which waits for the disk at each commit as SQLite does, and may use both processors. */
const onPostgres = Effect.gen(function*() {
  const cluster = yield* postgresClusterWith({ fsync: "on", full_page_writes: "on", ...COUNTING })
  const admin = cluster.url("postgres")
  yield* makeTemplate(admin)
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      process.env[POSTGRES_VARIABLE] = admin
    }),
    () =>
      Effect.sync(() => {
        delete process.env[POSTGRES_VARIABLE]
      })
  )
  const house = yield* fleetHouse(HERD, SERVER)
  yield* thisPinned(LOAD)
  const { result: { processor, seconds, tally }, work } = yield* postgresWorkOf(cluster, herdOf(house, 0, HERD))
  for (const { calls, millis, query } of work.longest) {
    yield* Console.error(`${String(calls).padStart(7)} times, ${String(millis).padStart(6)} ms: ${oneLine(query)}`)
  }
  return [
    below("fleet.pg_herd_1000_s", seconds, "s", 25),
    below("fleet.pg_herd_p99_ms", percentile(tally.answering, 99), "ms", 1000),
    plain("fleet.pg_herd_connect_p99_s", percentile(tally.connecting, 99) / 1000, "s"),
    none("fleet.pg_herd_errors", tally.errors.length, ""),
    plain("fleet.pg_herd_cpu_s", processor, "s"),
    plain("fleet.pg_herd_postgres_cpu_s", work.processor, "s"),
    plain("fleet.pg_statements_of_a_node", work.statements / HERD, ""),
    plain("fleet.pg_syncs_of_a_node", work.syncs / HERD, "")
  ]
})

/** A fleet that boots at once, over real HTTPS, against `patela run` in a process of its own; then its streams of events. */
export const herd: Bench = {
  names: [...SQLITE, ...POSTGRES],
  needsRoot: true,
  run: (wanted) =>
    Effect.gen(function*() {
      const sqlite = SQLITE.some(wanted)
        ? yield* Effect.scoped(Effect.andThen(thisPinned(LOAD), onSqlite))
        : []
      const postgres = POSTGRES.some(wanted) ? yield* Effect.scoped(onPostgres) : []
      return [...sqlite, ...postgres]
    }).pipe(Effect.mapError(({ message }) => new HerdFault({ message })))
}
