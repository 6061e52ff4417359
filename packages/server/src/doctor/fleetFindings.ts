import { Clock, Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { allPools, type StoredPool } from "../allocate/PoolRow.ts"
import { Pools } from "../allocate/Pools.ts"
import { environmentPools } from "../allocate/PoolSettings.ts"
import { poolUsage } from "../allocate/poolUsage.ts"
import { reservedAddresses } from "../allocate/reservedAddresses.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Quarantine } from "../relays/Quarantine.ts"
import { Relays } from "../relays/Relays.ts"
import { missingSettings } from "../settings/missingSettings.ts"
import { Settings } from "../settings/Settings.ts"
import { asStoreFailed } from "../store/StoreFailed.ts"
import { EndorsementRoots } from "../trust/EndorsementRoots.ts"
import { clockFinding } from "./clockFinding.ts"
import { type Finding, fine, warning, wrong } from "./Finding.ts"
import { nodeClockFinding } from "./nodeClockFinding.ts"
import { poolFinding } from "./poolFinding.ts"

/** What an environment variable says cannot be used; the message says what to do. */
const settingWrong = (check: string, { message }: { readonly message: string }): Finding =>
  wrong(check, message, "Correct it where the server's environment is set")

/** The pools as they will be once the server was started: one of the environment may be new. */
const poolsAtStart = Effect.gen(function*() {
  const environment = yield* environmentPools
  const stored = yield* (yield* Pools).list
  const added = [environment.v4, environment.v6].flatMap((pool): ReadonlyArray<StoredPool> =>
    pool === undefined || stored.some((one) => one.pool.title === pool.title)
      ? []
      : [{ id: 0, environment: true, pool }]
  )
  return [
    ...added,
    ...stored.filter((one) => !(one.environment && added.some(({ pool }) => pool.family === one.pool.family)))
  ]
})

/** How full the pools are, and whether the settings let nodes be served. Wants a database of this version. */
const settingsFindings = Effect.gen(function*() {
  const pools = yield* poolsAtStart
  const relays = yield* (yield* Relays).list
  const held = yield* (yield* Quarantine).held
  const reserved = reservedAddresses(yield* (yield* Settings).network)
  const used = pools.map((pool) => poolUsage(pool, relays, held, reserved))
  const rooms = (["ipv4", "ipv6"] as const).flatMap((family) => {
    const own = used.filter(({ stored }) => stored.pool.family === family)
    return own.length === 0 ? [] : [poolFinding(family === "ipv4" ? "IPv4" : "IPv6", own)]
  })
  const missing = (yield* missingSettings(allPools(pools))).map((message) =>
    wrong("settings", message, "The server does not start before")
  )
  return [...rooms, ...missing.length > 0 ? missing : [fine("settings", "the default torrc and the network are set")]]
})

const rootsFindings = Effect.map(EndorsementRoots, ({ count }) => [
  fine(
    "roots",
    count === 0 ? "no vendor's root certificate is set (PATELA_EK_ROOTS)" : `${count} root certificates are read`
  )
])

const alarmFindings = Effect.gen(function*() {
  const alarms = (yield* (yield* Relays).list).filter(({ alarm_at }) => alarm_at !== null).map(({ name }) => name)
  return alarms.length === 0
    ? [fine("alarms", "no relay's identity changed")]
    : [
      warning(
        "alarms",
        `other identity keys than on record are reported of ${alarms.slice(0, 10).join(", ")}` +
          (alarms.length > 10 ? ` and ${alarms.length - 10} more` : ""),
        "See patela list relay alarm, and find out why before you trust their nodes"
      )
    ]
})

const clockFindings = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const newest = yield* SqlSchema.findOne({
    Request: Schema.Void,
    Result: Schema.Struct({ newest: Schema.NullOr(Schema.String) }),
    execute: () =>
      sql`SELECT MAX(newest) AS newest FROM (
        SELECT MAX(last_seen) AS newest FROM nodes
        UNION ALL SELECT MAX(reported_at) FROM nodes
        UNION ALL SELECT MAX(happened_at) FROM audit
      ) AS times`
  })().pipe(Effect.catchTag("NoSuchElementError", Effect.die), asStoreFailed("say its newest time"))
  return [clockFinding(newest.newest, yield* Clock.currentTimeMillis)]
})

/** What the database of a fleet says, together with the environment of its server. Each part stands for itself. */
export const fleetFindings = Effect.gen(function*() {
  const settings = settingsFindings.pipe(
    Effect.provide(EndorsementRoots.layer),
    Effect.catchTags({
      PoolSettingRefused: (error) => Effect.succeed([settingWrong("pools", error)]),
      // Said by the next part.
      RootsRefused: () => Effect.succeed([])
    })
  )
  const roots = rootsFindings.pipe(
    Effect.provide(EndorsementRoots.layer),
    Effect.catchTag("RootsRefused", (error) => Effect.succeed([settingWrong("roots", error)]))
  )
  const nodeClocks = Effect.map(Effect.flatMap(Nodes, ({ list }) => list), (nodes) => [nodeClockFinding(nodes)])
  const parts = yield* Effect.all([settings, roots, alarmFindings, clockFindings, nodeClocks])
  return parts.flat()
})
