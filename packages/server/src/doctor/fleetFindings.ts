import { Clock, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { Pools } from "../allocate/Pools.ts"
import { Relays } from "../relays/Relays.ts"
import { missingSettings } from "../settings/missingSettings.ts"
import { Settings } from "../settings/Settings.ts"
import { asStoreFailed } from "../store/StoreFailed.ts"
import { EndorsementRoots } from "../trust/EndorsementRoots.ts"
import { clockFinding } from "./clockFinding.ts"
import { type Finding, fine, warning, wrong } from "./Finding.ts"
import { poolFinding } from "./poolFinding.ts"

/** What an environment variable says cannot be used; the message says what to do. */
const settingWrong = (check: string, { message }: { readonly message: string }): Finding =>
  wrong(check, message, "Correct it where the server's environment is set")

/** How full the pools are, and whether the settings let nodes be served. Wants a database of this version. */
const settingsFindings = Effect.gen(function*() {
  const { v4, v6 } = yield* Pools
  const relays = yield* (yield* Relays).list
  const network = yield* (yield* Settings).network
  const reserved = Option.match(network, {
    onNone: (): ReadonlyArray<string> => [],
    onSome: ({ gateway_v4, gateway_v6, dns }) => [gateway_v4, ...gateway_v6 === null ? [] : [gateway_v6], ...dns]
  })
  const taken = new Set([
    ...reserved,
    ...relays.flatMap(({ ip_v4, ip_v6 }): ReadonlyArray<string> => ip_v6 === null ? [ip_v4] : [ip_v4, ip_v6])
  ])
  const pools = [poolFinding(v4, taken), ...v6 === undefined ? [] : [poolFinding(v6, taken)]]
  const missing = (yield* missingSettings).map((message) =>
    wrong("settings", message, "The server does not start before")
  )
  return [...pools, ...missing.length > 0 ? missing : [fine("settings", "the default torrc and the network are set")]]
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
    Effect.provide(Layer.mergeAll(Pools.layer, EndorsementRoots.layer)),
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
  const parts = yield* Effect.all([settings, roots, alarmFindings, clockFindings])
  return parts.flat()
})
