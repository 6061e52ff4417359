import { Effect, Metric, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { Connections } from "../limits/Connections.ts"
import type { ConfigurationState, NodeState } from "../nodes/NodeView.ts"
import { WaitingBound } from "../nodes/WaitingBound.ts"
import type { RelayState } from "../relays/RelayView.ts"
import { Whole } from "../store/Column.ts"
import { asStoreFailed } from "../store/StoreFailed.ts"

const gauge = (name: string, description: string) => Metric.gauge(`patela_${name}`, { description })

const nodesGauge = gauge("nodes", "Machines, by state.")
const configurationGauge = gauge("nodes_configuration", "Enabled nodes, by how they stand to the configuration.")
const relaysGauge = gauge("relays", "Relays, by state.")
const alarmsGauge = gauge("relay_alarms", "Relays whose node reports other identity keys than those on record.")
const provenGauge = gauge("waiting_proven", "Waiting machines that proved that they hold their keys.")
const limitGauge = gauge("waiting_limit", "How many machines may wait.")
const generationGauge = gauge("generation", "Generation of the configuration now.")
const openGauge = gauge("connections", "Connections to this server that are open.")
const refusedGauge = gauge(
  "connections_refused",
  "Connections that were over a limit and closed, since this server started."
)
const memoryGauge = Metric.gauge("process_resident_memory_bytes", { description: "Memory that this server holds." })

// Every state there is, so that a series which falls to 0 says so.
const NODE_STATES = ["waiting", "enabled", "disabled"] as const satisfies ReadonlyArray<NodeState>
const CONFIGURATION_STATES = [
  "unknown",
  "current",
  "behind",
  "rolled back",
  "ahead"
] as const satisfies ReadonlyArray<ConfigurationState>
const RELAY_STATES = ["alarm", "blocked", "new", "running"] as const satisfies ReadonlyArray<RelayState>

const Counted = Schema.Struct({ state: Schema.String, proven: Whole, count: Whole })

const setAll = (
  metric: ReturnType<typeof gauge>,
  states: ReadonlyArray<string>,
  counted: ReadonlyArray<typeof Counted.Type>
) =>
  Effect.forEach(states, (state) => {
    const count = counted.filter((row) => row.state === state).reduce((sum, row) => sum + row.count, 0)
    return Metric.update(Metric.withAttributes(metric, { state }), count)
  }, { discard: true })

/**
 * Reads the fleet from the database and sets its gauges. It counts there: a fleet of thousands is three rows a state, and
 * the states are those of `stateOf` and `configurationStateOf`.
 */
export const updateFleetMetrics = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const counted = (execute: () => ReturnType<typeof sql<object>>) =>
    SqlSchema.findAll({ Request: Schema.Void, Result: Counted, execute })()

  const nodes = yield* counted(() =>
    sql`SELECT CASE WHEN enabled = 1 THEN 'enabled' WHEN epoch = 1 THEN 'waiting' ELSE 'disabled' END AS state,
      CASE WHEN proven_at IS NULL AND authenticated_at IS NULL THEN 0 ELSE 1 END AS proven, COUNT(*) AS count
      FROM nodes GROUP BY 1, 2`
  )
  yield* setAll(nodesGauge, NODE_STATES, nodes)
  const proven = nodes.find((row) => row.state === "waiting" && row.proven === 1)
  yield* Metric.update(provenGauge, proven?.count ?? 0)

  const configurations = yield* counted(() =>
    sql`SELECT CASE WHEN nodes.rolled_back IS NOT NULL THEN 'rolled back' WHEN nodes.generation IS NULL THEN 'unknown'
      WHEN nodes.generation = newest.value THEN 'current' WHEN nodes.generation < newest.value THEN 'behind' ELSE 'ahead' END
      AS state, 0 AS proven, COUNT(*) AS count
      FROM nodes CROSS JOIN generation AS newest WHERE nodes.enabled = 1 GROUP BY 1`
  )
  yield* setAll(configurationGauge, CONFIGURATION_STATES, configurations)

  const relays = yield* counted(() =>
    sql`SELECT CASE WHEN alarm_at IS NOT NULL THEN 'alarm' WHEN blocked IS NOT NULL THEN 'blocked'
      WHEN fingerprint_rsa IS NULL THEN 'new' ELSE 'running' END AS state, 0 AS proven, COUNT(*) AS count
      FROM relays GROUP BY 1`
  )
  yield* setAll(relaysGauge, RELAY_STATES, relays)
  yield* Metric.update(alarmsGauge, relays.find(({ state }) => state === "alarm")?.count ?? 0)

  const { open, refused } = yield* (yield* Connections).counts
  yield* Metric.update(openGauge, open)
  yield* Metric.update(refusedGauge, refused)
  yield* Metric.update(limitGauge, (yield* WaitingBound).machines)
  yield* Metric.update(memoryGauge, process.memoryUsage.rss())
}).pipe(asStoreFailed("count the fleet"))

export const setGeneration = (generation: number) => Metric.update(generationGauge, generation)
