import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import { Context, Duration, Effect, Layer, Redacted, Ref, Result, Schedule, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, SqlError } from "effect/sql"
import { readFileSync } from "node:fs"
import type { ConnectionOptions } from "node:tls"
import type { PostgresDatabase } from "./DatabaseUrl.ts"
import { Notices } from "./Notices.ts"
import { isRefusedByPooler, pooledUnsaid } from "./pooled.ts"
import { postgresConnections } from "./postgresConnections.ts"
import { runAgain } from "./runAgain.ts"
import { sqlMessage } from "./sqlMessage.ts"

/** The most connections of one server that requests use, as many as PostgreSQL takes of ten servers. */
const CONNECTIONS = 10

/** The channel of notices in a database (PostgreSQL manual, LISTEN). */
const CHANNEL = "patela"

/** How often is looked whether anything was missed, and tried to listen again. */
const LOOK = Duration.seconds(5)
const LISTEN_AGAIN = Duration.seconds(1)

/** After how long of silence TCP asks whether the other end is still there. */
const KEEP_ALIVE = Duration.seconds(10)

/**
 * In milliseconds. Of a machine that vanished PostgreSQL hears nothing for hours, and its transactions would keep their
 * locks as long; and no request is worth waiting longer for a lock than its node waits for an answer.
 */
const LIMITS = { idle_in_transaction_session_timeout: "15000", lock_timeout: "20000" }

/** 64-bit numbers as numbers, as SQLite gives them, and not as bigint. What does not fit is no number of Patela's. */
const types = PgTypes.makeRegistry()
types.register(PgTypes.OID.int8, {
  encode: (value: number | bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64BE(BigInt(value))
    return Result.succeed<Uint8Array>(bytes)
  },
  decode: (bytes: Uint8Array) => {
    const value = Buffer.from(bytes).readBigInt64BE()
    const number = Number(value)
    return Number.isSafeInteger(number)
      ? Result.succeed(number)
      : Result.fail(new PgTypes.CodecError({ message: `${value} is larger than any number that Patela writes` }))
  }
})

/** The certificates that the database's is checked against, where the URL names their file as libpq does. */
const trusted = (url: Redacted.Redacted): Effect.Effect<ConnectionOptions | undefined, SqlError.SqlError> =>
  Effect.try({
    try: () => {
      const { searchParams } = new URL(Redacted.value(url))
      const path = searchParams.get("sslrootcert")
      const off = [null, "disable"].includes(searchParams.get("sslmode"))
      return path === null || off ? undefined : { ca: readFileSync(path) }
    },
    catch: (cause) => {
      const message = "The file of sslrootcert cannot be read"
      return new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause, message, operation: "connect" }) })
    }
  })

/** In which PostgreSQL answers a statement, all of it: three times as long as the longest wait for a lock. */
const ANSWER = Duration.minutes(1)

const settingsOf = Effect.fnUntraced(function*(url: Redacted.Redacted, applicationName: string) {
  const ssl = yield* trusted(url)
  return { url, ssl, applicationName, keepAlive: KEEP_ALIVE, startupParameters: LIMITS, types }
})
type Settings = Effect.Success<ReturnType<typeof settingsOf>>

/**
 * Notices over a connection of their own, that is opened while anybody listens. One that breaks off is opened again; the
 * word for that is "look again", for nobody knows what was told meanwhile.
 */
const noticesOf = Effect.fnUntraced(function*(sql: SqlClient.SqlClient, settings: Settings) {
  const well = yield* Ref.make(true)
  const lookAgain = "look again" as const

  const told = Stream.unwrap(Effect.gen(function*() {
    const connection = yield* PgConnection.make(settings)
    const queue = yield* connection.listen(CHANNEL)
    if (!(yield* Ref.getAndSet(well, true))) yield* Effect.logInfo("other servers' changes are heard again")
    return Stream.concat(Stream.succeed(lookAgain), Stream.map(Stream.fromQueue(queue), () => lookAgain))
  }))

  const lost = Effect.fnUntraced(function*(error: SqlError.SqlError) {
    if (!(yield* Ref.getAndSet(well, false))) return
    yield* Effect.logWarning(
      `other servers' changes are not heard (${sqlMessage(error)}); they are looked for every 5 seconds until they are`
    )
  })

  return Notices.of({
    tell: Effect.asVoid(sql`SELECT pg_notify(${CHANNEL}, '')`),
    heard: Stream.merge(
      Stream.retry(Stream.tapError(told, lost), Schedule.spaced(LISTEN_AGAIN)).pipe(Stream.orDie),
      Stream.map(Stream.tick(LOOK), () => lookAgain)
    ).pipe(
      // However many came while the last look was under way, one more is enough.
      Stream.buffer({ capacity: 1, strategy: "sliding" })
    )
  })
})

/**
 * Whether a limit is in force because the connection began with it: `client` (PostgreSQL manual, 54.24). A pooler drops it, and a
 * role may have one of its own.
 */
const isLimited = (client: SqlClient.SqlClient) =>
  Effect.map(
    client`SELECT source FROM pg_settings WHERE name = 'lock_timeout'`,
    ([row]) => row?.["source"] === "client"
  )

/** One with whom nobody else has PostgreSQL's connections: they are limited from their beginning, and keep statements prepared. */
const alone = Effect.fnUntraced(function*(settings: Settings) {
  const client = yield* postgresConnections(settings, { most: CONNECTIONS, sharedReads: true, patience: ANSWER })
  // Connections are opened when they are needed: that there is no database is to be said before anything else is.
  const limited = yield* Effect.mapError(
    isLimited(client),
    (error) => isRefusedByPooler(error) ? pooledUnsaid(error) : error
  )
  if (!limited) return yield* pooledUnsaid(new Error("the limits of this connection are not in force"))
  return { client, withTransaction: runAgain(client) }
})

/**
 * One that has a connection of PostgreSQL for a transaction or a statement, and another one for the next. So transactions
 * are limited one by one, and nothing is kept from statement to statement.
 */
const pooled = Effect.fnUntraced(function*({ startupParameters, ...settings }: Settings) {
  const client = yield* postgresConnections(
    { ...settings, prepare: false },
    { most: CONNECTIONS, sharedReads: false, patience: ANSWER }
  )
  yield* client`SELECT 1`
  const limited = client`SELECT ${
    client.csv(Object.entries(startupParameters).map(([name, value]) => client`set_config(${name}, ${value}, true)`))
  }`
  return { client, withTransaction: runAgain(client, limited) }
})

/** SqlClient over @effect/sql-pg, whose transactions are run again where another one came first, and its notices. */
const make = Effect.fnUntraced(function*({ direct, url }: PostgresDatabase) {
  const settings = yield* settingsOf(url, "patela")
  const { client, withTransaction } = yield* direct === undefined ? alone(settings) : pooled(settings)
  const sql: SqlClient.SqlClient = Object.assign(client, { withTransaction })
  return Context.make(SqlClient.SqlClient, sql).pipe(
    Context.add(Notices, yield* noticesOf(sql, yield* settingsOf(direct ?? url, "patela listens")))
  )
})

/** A database of PostgreSQL, which has to be there. */
export const layer = (
  database: PostgresDatabase
): Layer.Layer<SqlClient.SqlClient | Notices, SqlError.SqlError> =>
  Layer.effectContext(make(database)).pipe(Layer.provide(Reactivity.layer))
