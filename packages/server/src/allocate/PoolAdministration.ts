import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { Quarantine } from "../relays/Quarantine.ts"
import { Relays } from "../relays/Relays.ts"
import { Settings } from "../settings/Settings.ts"
import { unfitNetwork } from "../settings/unfitNetwork.ts"
import { sqlAsStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import { type AnyPool, overlap } from "./AddressPool.ts"
import { type AllocationRules, AllocationSettings, type RuleName, ruleText, withRule } from "./AllocationSettings.ts"
import { allPools, withPool } from "./PoolRow.ts"
import { Pools } from "./Pools.ts"
import { type PoolUsage, poolUsage } from "./poolUsage.ts"
import { reservedAddresses } from "./reservedAddresses.ts"

/** The pool cannot be added or removed, or the rule not be set; the message says why and what to do. */
export class PoolChangeRefused extends Schema.TaggedError<PoolChangeRefused>()("PoolChangeRefused", {
  message: Schema.String
}) {}

/** What people decide about pools. Each change and its entry in the audit log are one transaction. */
export class PoolAdministration extends Context.Service<PoolAdministration, {
  readonly usage: Effect.Effect<ReadonlyArray<PoolUsage>, StoreFailed>
  readonly add: (who: string, pool: AnyPool) => Effect.Effect<void, PoolChangeRefused | StoreFailed>
  /** `quarantined`: also where addresses of it are in quarantine. Never where relays have some. */
  readonly remove: (
    who: string,
    id: number,
    quarantined: boolean
  ) => Effect.Effect<AnyPool, PoolChangeRefused | StoreFailed>
  readonly set: (
    who: string,
    rule: RuleName,
    value: string
  ) => Effect.Effect<AllocationRules, PoolChangeRefused | StoreFailed>
}>()("@patela/server/allocate/PoolAdministration") {
  static readonly layer = Layer.effect(
    PoolAdministration,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const pools = yield* Pools
      const relays = yield* Relays
      const quarantine = yield* Quarantine
      const settings = yield* Settings
      const rules = yield* AllocationSettings
      const generation = yield* Generation
      const audit = yield* Audit
      const turn = yield* makeTurn("allocation")

      const refuse = (message: string) => Effect.fail(new PoolChangeRefused({ message }))

      const usage = Effect.gen(function*() {
        const every = yield* relays.list
        const held = yield* quarantine.held
        const reserved = reservedAddresses(yield* settings.network)
        return (yield* pools.list).map((stored) => poolUsage(stored, every, held, reserved))
      })

      /** A server with such pools would not start: better said now than then. */
      const checkNetwork = Effect.fnUntraced(function*(after: ReturnType<typeof allPools>) {
        const network = yield* settings.network
        const problems = Option.match(network, { onNone: () => [], onSome: (set) => unfitNetwork(set, after) })
        if (problems.length > 0) return yield* refuse(problems.join("\n"))
      })

      const add = Effect.fn("PoolAdministration.add")(
        function*(who: string, pool: AnyPool) {
          yield* turn.take
          const present = yield* pools.list
          const other = present.find((stored) => overlap(stored.pool, pool))
          if (other !== undefined) {
            return yield* refuse(
              `${pool.title} and pool ${other.id} (${other.pool.title}) have addresses in common. Leave those out`
            )
          }
          yield* checkNetwork(withPool(allPools(present), pool))
          yield* pools.insert(pool, false)
          yield* audit.record({ who, what: "pool: added", before: null, after: poolText(pool) })
        },
        generation.change,
        sqlAsStoreFailed("add a pool")
      )

      const ofEnvironment = ({ stored: { id, pool } }: PoolUsage): string => {
        const variable = `PATELA_FIRST_${pool.family === "ipv4" ? "V4" : "V6"}`
        return `pool ${id} is that of ${variable}, and would be there again when the server next starts. Take the variable out ` +
          "of its settings and restart it first"
      }

      const inUse = ({ relays: names, stored: { id } }: PoolUsage): string =>
        `pool ${id} cannot be removed: ${
          names.length === 1 ? "a relay has" : `${names.length} relays have`
        } addresses of ` +
        `it: ${names.join(" ")}. Remove or move them first: patela relay remove NAME, patela relay move NAME NODE`

      const remove = Effect.fn("PoolAdministration.remove")(
        function*(who: string, id: number, quarantined: boolean) {
          yield* turn.take
          const every = yield* usage
          const found = every.find(({ stored }) => stored.id === id)
          if (found === undefined) return yield* refuse(`There is no pool ${id}. See them all with: patela pool list`)
          const { pool } = found.stored
          if (found.relays.length > 0) return yield* refuse(inUse(found))
          if (found.stored.environment) return yield* refuse(ofEnvironment(found))
          if (found.quarantined > 0 && !quarantined) {
            return yield* refuse(
              `${found.quarantined} addresses of pool ${id} are in quarantine: the nodes of relays that were removed may ` +
                "still have them, and take an address off only while its pool is there. Wait, or say --yes"
            )
          }
          const rest = every.map(({ stored }) => stored).filter((stored) => stored.id !== id)
          if (pool.family === "ipv4" && allPools(rest).v4.length === 0) {
            return yield* refuse(
              `pool ${id} is the last IPv4 pool, and every relay needs an IPv4 address. Add another first`
            )
          }
          yield* checkNetwork(allPools(rest))
          yield* pools.delete(id)
          yield* audit.record({ who, what: `pool ${id}: removed`, before: poolText(pool), after: null })
          return pool
        },
        generation.change,
        sqlAsStoreFailed("remove a pool")
      )

      const set = Effect.fn("PoolAdministration.set")(
        function*(who: string, rule: RuleName, value: string) {
          yield* turn.take
          const before = yield* rules.rules
          const after = yield* Effect.fromResult(withRule(before, rule, value)).pipe(
            Effect.mapError((message) => new PoolChangeRefused({ message }))
          )
          // Not a change of the configuration: nodes are told of relays, and not by what rules they are given.
          yield* rules.save(after)
          yield* audit.record({
            who,
            what: `pool: ${rule} set`,
            before: ruleText(before, rule),
            after: ruleText(after, rule)
          })
          return after
        },
        sql.withTransaction,
        sqlAsStoreFailed("set how relays are given")
      )

      return PoolAdministration.of({ usage, add, remove, set })
    })
  )
}

const poolText = (pool: AnyPool): string =>
  pool.reserved.size === 0 ? pool.title : `${pool.title} without ${[...pool.reserved].join(" ")}`
