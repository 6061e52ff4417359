import type { NodeReport } from "@patela/domain/api/PrivateApi"
import type { HardwareSpecs } from "@patela/domain/node/HardwareSpecs"
import { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { ConfigChange } from "../generation/ConfigChange.ts"
import { now, Whole } from "../store/Column.ts"
import { givenRows } from "../store/givenRows.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import { type NodeIdentity, NodeRow } from "./NodeRow.ts"
import { quietSince, roomNeeded, waitingExpiry } from "./waitingList.ts"

/** A setting of one node that overrides what holds for all; null gives the common value back. */
export interface NodeOverrides {
  readonly relays_override: number | null
  readonly geoip_override: boolean | null
}

/** How exact `last_seen` is, in milliseconds: a write for every request would be most of what the database does. */
const SEEN_EVERY = 10_000

/** How many machines may wait, and for how many days one is listed that does not ask any more. */
export interface WaitingLimit {
  readonly machines: number
  readonly days: number
}

/**
 * The hardware of a node, how many relays it carries, and by how many seconds its clock is ahead: null where it does not
 * say, and what was known of that stays without it.
 */
export interface NodeSpecs {
  readonly id: NodeId
  readonly specs: HardwareSpecs
  readonly relays_by_hardware: number
  readonly clock_ahead?: number | null | undefined
}

/** What a node says after a pass. */
export interface ReportOfNode {
  readonly node: NodeId
  readonly report: NodeReport
}

/** The machines. Only `known` and `enlist` are reached by requests that are not authenticated, and they never change a known one. */
export class Nodes extends Context.Service<Nodes, {
  readonly find: (id: NodeId) => Effect.Effect<Option.Option<NodeRow>, StoreFailed>
  /** Of these, those that there are. */
  readonly findAll: (ids: ReadonlyArray<NodeId>) => Effect.Effect<ReadonlyMap<NodeId, NodeRow>, StoreFailed>
  readonly list: Effect.Effect<ReadonlyArray<NodeRow>, StoreFailed>
  /** The machine with exactly these keys. */
  readonly known: (identity: NodeIdentity) => Effect.Effect<Option.Option<NodeRow>, StoreFailed>
  /** Those with this attestation key that were ever enabled, whatever their endorsement key; the enabled ones first. */
  readonly everEnabled: (identity: NodeIdentity) => Effect.Effect<ReadonlyArray<NodeRow>, StoreFailed>
  /** The same as `known`, stored as waiting where it is new; none where the waiting list is full. */
  readonly enlist: (identity: NodeIdentity, bound: WaitingLimit) => Effect.Effect<Option.Option<NodeRow>, StoreFailed>
  /** Notes that a waiting machine proved its keys; whether it had not before. */
  readonly prove: (id: NodeId) => Effect.Effect<boolean, StoreFailed>
  /** Notes the root certificate that vouched for a machine's endorsement key, by its SHA-256. */
  readonly saveRoot: (id: NodeId, root: string) => Effect.Effect<void, StoreFailed>
  /** Drops the machines that waited too long: how many. */
  readonly dropExpired: (bound: WaitingLimit) => Effect.Effect<number, StoreFailed>
  /** Every change of `enabled` starts a new epoch, which ends the tokens of the one before. */
  readonly setEnabled: (id: NodeId, enabled: boolean) => Effect.Effect<void, StoreFailed>
  /** Starts a new epoch and changes nothing else. */
  readonly startEpoch: (id: NodeId) => Effect.Effect<void, StoreFailed>
  /** A token of the node was accepted. */
  readonly authenticated: (node: NodeRow) => Effect.Effect<void, StoreFailed>
  /** The hardware of nodes; none of them is refused relays any more. */
  readonly saveSpecs: (nodes: ReadonlyArray<NodeSpecs>) => Effect.Effect<void, StoreFailed>
  /** Why a node is given no more relays. */
  readonly saveAllocationRefused: (id: NodeId, why: string) => Effect.Effect<void, StoreFailed>
  readonly saveReports: (reports: ReadonlyArray<ReportOfNode>) => Effect.Effect<void, StoreFailed>
  readonly saveOverrides: (id: NodeId, overrides: NodeOverrides) => Effect.Effect<void, StoreFailed, ConfigChange>
  readonly saveTorrc: (id: NodeId, torrc: string) => Effect.Effect<void, StoreFailed, ConfigChange>
}>()("@patela/server/nodes/Nodes") {
  static readonly layer = Layer.effect(
    Nodes,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const turn = yield* makeTurn("waiting list")
      const byId = SqlSchema.findOneOption({
        Request: NodeId,
        Result: NodeRow,
        execute: (id) => sql`SELECT * FROM nodes WHERE id = ${id}`
      })
      const givenIds = givenRows(sql, { id: "INTEGER" })
      const byIds = SqlSchema.findAll({
        Request: Schema.Array(NodeId),
        Result: NodeRow,
        execute: (ids) => sql`SELECT * FROM nodes WHERE id IN (SELECT id FROM ${givenIds(ids.map((id) => ({ id })))})`
      })
      const byKeys = SqlSchema.findOneOption({
        Request: Schema.Struct({ ek_public: Schema.String, ak_public: Schema.String, ak_name: Schema.String }),
        Result: NodeRow,
        execute: (keys) =>
          sql`SELECT * FROM nodes
            WHERE ek_public = ${keys.ek_public} AND ak_public = ${keys.ak_public} AND ak_name = ${keys.ak_name}`
      })
      const byAttestationKey = SqlSchema.findAll({
        Request: Schema.Struct({ ak_public: Schema.String, ak_name: Schema.String }),
        Result: NodeRow,
        execute: ({ ak_name, ak_public }) =>
          sql`SELECT * FROM nodes WHERE ak_name = ${ak_name} AND ak_public = ${ak_public} AND epoch > 1
            ORDER BY enabled DESC, id`
      })
      const all = SqlSchema.findAll({
        Request: Schema.Void,
        Result: NodeRow,
        execute: () => sql`SELECT * FROM nodes ORDER BY id`
      })
      // A node that was enabled once has relays and a history, so it neither counts as waiting nor is ever dropped.
      const waiting = SqlSchema.findOne({
        Request: Schema.Void,
        Result: Schema.Struct({ waiting: Whole }),
        execute: () => sql`SELECT COUNT(*) AS waiting FROM nodes WHERE enabled = 0 AND epoch = 1`
      })

      const find = Effect.fn("Nodes.find")((id: NodeId) => byId(id).pipe(asStoreFailed("read a node")))

      const findAll = Effect.fn("Nodes.findAll")(function*(ids: ReadonlyArray<NodeId>) {
        return new Map((yield* byIds(ids)).map((node) => [node.id, node]))
      }, asStoreFailed("read nodes"))

      const countWaiting = Effect.map(
        Effect.catchTag(waiting(), "NoSuchElementError", Effect.die),
        (row) => row.waiting
      )
      const deleteExpired = Effect.fnUntraced(function*({ days }: WaitingLimit) {
        const expiry = waitingExpiry(yield* Clock.currentTimeMillis, days)
        yield* sql`DELETE FROM nodes WHERE enabled = 0 AND epoch = 1 AND last_seen < ${expiry}`
      })

      const dropExpired = Effect.fn("Nodes.dropExpired")(
        function*(bound: WaitingLimit) {
          yield* turn.take
          const before = yield* countWaiting
          yield* deleteExpired(bound)
          return before - (yield* countWaiting)
        },
        sql.withTransaction,
        asStoreFailed("drop machines that waited too long")
      )

      const makeRoom = Effect.fnUntraced(function*(bound: WaitingLimit) {
        yield* deleteExpired(bound)
        if (!roomNeeded(yield* countWaiting, bound.machines)) return true
        const quiet = quietSince(yield* Clock.currentTimeMillis)
        yield* sql`DELETE FROM nodes WHERE enabled = 0 AND epoch = 1 AND proven_at IS NULL AND last_seen < ${quiet}`
        return !roomNeeded(yield* countWaiting, bound.machines)
      })

      const insert = Effect.fnUntraced(
        function*(identity: NodeIdentity, bound: WaitingLimit) {
          yield* turn.take
          const known = yield* byKeys(identity)
          if (Option.isSome(known)) return known
          if (!(yield* makeRoom(bound))) return Option.none<NodeRow>()
          const at = yield* now
          yield* sql`INSERT INTO nodes ${sql.insert({ ...identity, first_seen: at, last_seen: at })}`
          return yield* byKeys(identity)
        },
        sql.withTransaction,
        turn.queue
      )

      const isOld = (lastSeen: string) =>
        Effect.map(Clock.currentTimeMillis, (millis) => lastSeen <= new Date(millis - SEEN_EVERY).toISOString())
      const seen = Effect.fnUntraced(function*(id: NodeId) {
        yield* sql`UPDATE nodes SET last_seen = ${yield* now} WHERE id = ${id}`
      })

      const known = Effect.fn("Nodes.known")(function*(identity: NodeIdentity) {
        const node = yield* byKeys(identity)
        // Anybody may ask with the public keys of a node: of one that is enabled, that writes nothing.
        if (Option.isSome(node) && !node.value.enabled && (yield* isOld(node.value.last_seen))) {
          yield* seen(node.value.id)
        }
        return node
      }, asStoreFailed("look up a machine by its keys"))

      const everEnabled = Effect.fn("Nodes.everEnabled")((identity: NodeIdentity) =>
        byAttestationKey(identity).pipe(asStoreFailed("look up a machine by its attestation key"))
      )

      const enlist = Effect.fn("Nodes.enlist")(function*(identity: NodeIdentity, bound: WaitingLimit) {
        const node = yield* known(identity)
        return Option.isSome(node) ? node : yield* insert(identity, bound)
      }, asStoreFailed("enlist a machine"))

      const prove = Effect.fn("Nodes.prove")(function*(id: NodeId) {
        const changed = yield* sql`UPDATE nodes SET proven_at = ${yield* now}
          WHERE id = ${id} AND proven_at IS NULL AND enabled = 0 AND epoch = 1 RETURNING id`
        return changed.length === 1
      }, asStoreFailed("note a machine's proof"))

      const saveRoot = Effect.fn("Nodes.saveRoot")(function*(id: NodeId, root: string) {
        yield* sql`UPDATE nodes SET ek_root = ${root} WHERE id = ${id}`
      }, asStoreFailed("note who vouched for an endorsement key"))

      const setEnabled = Effect.fn("Nodes.setEnabled")(function*(id: NodeId, enabled: boolean) {
        yield* sql`UPDATE nodes SET enabled = ${enabled ? 1 : 0}, epoch = epoch + 1 WHERE id = ${id}`
      }, asStoreFailed("enable or disable a node"))

      const startEpoch = Effect.fn("Nodes.startEpoch")(function*(id: NodeId) {
        yield* sql`UPDATE nodes SET epoch = epoch + 1 WHERE id = ${id}`
      }, asStoreFailed("start a new epoch of a node"))

      const authenticated = Effect.fn("Nodes.authenticated")(function*(node: NodeRow) {
        if (node.authenticated_at !== null && !(yield* isOld(node.last_seen))) return
        const at = yield* now
        yield* sql`UPDATE nodes SET last_seen = ${at}, authenticated_at = ${node.authenticated_at ?? at}
          WHERE id = ${node.id}`
      }, asStoreFailed("note that a node authenticated"))

      const givenSpecs = givenRows(sql, {
        id: "INTEGER",
        n_cpus: "INTEGER",
        memory: "BIGINT",
        cpu_name: "TEXT",
        hostname: "TEXT",
        kernel: "TEXT",
        agent_version: "TEXT",
        relays_by_hardware: "INTEGER",
        tells_clock: "INTEGER",
        clock_ahead: "BIGINT"
      })
      const saveSpecs = Effect.fn("Nodes.saveSpecs")(function*(nodes: ReadonlyArray<NodeSpecs>) {
        const rows = nodes.map(({ id, specs, relays_by_hardware, clock_ahead }) => {
          const { n_cpus, memory, cpu_name, hostname = null, kernel = null, agent_version = null } = specs
          const clock = { tells_clock: clock_ahead === undefined ? 0 : 1, clock_ahead: clock_ahead ?? null }
          return { id, n_cpus, memory, cpu_name, hostname, kernel, agent_version, relays_by_hardware, ...clock }
        })
        yield* sql`UPDATE nodes SET n_cpus = given.n_cpus, memory = given.memory, cpu_name = given.cpu_name,
            hostname = given.hostname, kernel = given.kernel, agent_version = given.agent_version,
            relays_by_hardware = given.relays_by_hardware, allocation_refused = NULL,
            clock_ahead = CASE WHEN given.tells_clock = 1 THEN given.clock_ahead ELSE nodes.clock_ahead END
          FROM ${givenSpecs(rows)} WHERE nodes.id = given.id`
      }, asStoreFailed("store a node's hardware"))

      const saveAllocationRefused = Effect.fn("Nodes.saveAllocationRefused")(function*(id: NodeId, why: string) {
        yield* sql`UPDATE nodes SET allocation_refused = ${why} WHERE id = ${id}`
      }, asStoreFailed("note why a node is given no relays"))

      const givenReports = givenRows(sql, {
        id: "INTEGER",
        tor_version: "TEXT",
        generation: "BIGINT",
        rolled_back: "TEXT"
      })
      const saveReports = Effect.fn("Nodes.saveReports")(function*(reports: ReadonlyArray<ReportOfNode>) {
        const rows = reports.map(({ node, report: { generation, rolled_back, tor_version } }) => ({
          id: node,
          tor_version,
          generation,
          rolled_back
        }))
        yield* sql`UPDATE nodes SET tor_version = given.tor_version, generation = given.generation,
            rolled_back = given.rolled_back, reported_at = ${yield* now}
          FROM ${givenReports(rows)} WHERE nodes.id = given.id`
      }, asStoreFailed("store a node's report"))

      const saveOverrides = Effect.fn("Nodes.saveOverrides")(function*(id: NodeId, overrides: NodeOverrides) {
        yield* ConfigChange.counted
        const { relays_override, geoip_override: geoip } = overrides
        const geoip_override = geoip === null ? null : geoip ? 1 : 0
        yield* sql`UPDATE nodes SET ${sql.update({ relays_override, geoip_override })} WHERE id = ${id}`
      }, asStoreFailed("store a node's settings"))

      const saveTorrc = Effect.fn("Nodes.saveTorrc")(function*(id: NodeId, torrc: string) {
        yield* ConfigChange.counted
        yield* sql`UPDATE nodes SET torrc = ${torrc} WHERE id = ${id}`
      }, asStoreFailed("store a node's torrc"))

      return Nodes.of({
        find,
        findAll,
        list: all().pipe(asStoreFailed("list the nodes")),
        known,
        everEnabled,
        enlist,
        dropExpired,
        prove,
        saveRoot,
        setEnabled,
        startEpoch,
        authenticated,
        saveSpecs,
        saveAllocationRefused,
        saveReports,
        saveOverrides,
        saveTorrc
      })
    })
  )
}
