import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { AllocationSettings, RULE_NAMES, ruleText } from "../allocate/AllocationSettings.ts"
import { PoolAdministration } from "../allocate/PoolAdministration.ts"
import { poolFromText } from "../allocate/poolText.ts"
import { type PoolView, poolView } from "../allocate/poolUsage.ts"
import { administrator } from "./administrator.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"
import { table } from "./table.ts"

const add = Command.make(
  "add",
  {
    range: Argument.String("range").pipe(
      Argument.withDescription("FIRST-LAST/PREFIX, or FIRST/PREFIX for all to the end of the network")
    ),
    reserve: Flag.String("reserve").pipe(
      Flag.withDescription("Addresses in it that relays never get, with commas between"),
      Flag.optional
    )
  },
  Effect.fn("pool.add")(function*({ range, reserve }) {
    const reserved = Option.match(reserve, { onNone: () => [], onSome: (text) => text.split(",") })
    const pool = yield* Effect.fromResult(poolFromText(range, reserved.map((text) => text.trim())))
    yield* (yield* PoolAdministration).add(yield* administrator, pool)
    yield* Console.log(`Relays get addresses of ${pool.title} once the pools before it are used up.`)
  })
).pipe(
  Command.withDescription(
    "Add a range of addresses for relays. The network's own, its broadcast address and the gateways are never given. The " +
      "gateway of the relay network must reach it: it is one, whatever the number of pools"
  ),
  Command.withShortDescription("Add a range of addresses for relays"),
  Command.withExamples([
    { command: "patela pool add 192.0.2.10-192.0.2.99/24", description: "Ninety addresses of a /24" },
    {
      command: "patela pool add 203.0.113.0/28 --reserve 203.0.113.5,203.0.113.6",
      description: "All but two of a /28"
    },
    { command: "patela pool add 2001:db8::1:0/64", description: "IPv6, to the end of its /64" }
  ]),
  Command.provide(StoreServices)
)

const poolIdArgument = Argument.Int("id").pipe(
  Argument.withDescription("The pool's number, as `patela pool list` shows it")
)

const remove = Command.make(
  "remove",
  {
    id: poolIdArgument,
    yes: Flag.Boolean("yes").pipe(
      Flag.withDescription("Also where addresses of it are in quarantine"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("pool.remove")(function*({ id, yes }) {
    const pool = yield* (yield* PoolAdministration).remove(yield* administrator, id, yes)
    yield* Console.log(`Pool ${id} (${pool.title}) is removed.`)
  })
).pipe(
  Command.withDescription("Remove a pool. One that relays have addresses of stays, and they are named"),
  Command.withExamples([{ command: "patela pool remove 2", description: "Remove the second one" }]),
  Command.provide(StoreServices)
)

const poolTable = (pools: ReadonlyArray<PoolView>): string =>
  table(
    ["ID", "FIRST", "LAST", "PREFIX", "FROM", "SIZE", "USED", "RELAYS", "QUARANTINE", "FREE", "RESERVED"],
    pools.map((pool) => [
      String(pool.id),
      pool.first,
      pool.last,
      `/${pool.prefix}`,
      pool.environment ? "environment" : "pool add",
      String(pool.size),
      String(pool.used),
      String(pool.relays),
      String(pool.quarantined),
      String(pool.free),
      pool.reserved.join(" ") || "-"
    ])
  )

const list = Command.make(
  "list",
  { json: jsonFlag },
  Effect.fn("pool.list")(function*({ json }) {
    const pools = (yield* (yield* PoolAdministration).usage).map(poolView)
    const { relays_per_address } = yield* (yield* AllocationSettings).rules
    if (json) return yield* printJson({ pools, relays_per_address })
    yield* Console.log(poolTable(pools))
    yield* Console.log(
      `\nA node's relays get ${
        relays_per_address === 1 ? "an IPv4 address each" : `one IPv4 address for ${relays_per_address} of them`
      } (patela pool set relays-per-address).`
    )
  })
).pipe(
  Command.withDescription(
    "List the pools in the order in which they are used, and of each how many addresses relays have, how many relays these " +
      "are, and how many addresses are in quarantine, and are free. That of PATELA_FIRST_V4 is there once the server has run"
  ),
  Command.withShortDescription("List the pools, and how many addresses are free"),
  Command.withExamples([{ command: "patela pool list --json", description: "For a program" }]),
  Command.provide(StoreServices)
)

const ruleArgument = Argument.Literals("rule", RULE_NAMES).pipe(
  Argument.withDescription(
    "quarantine: for how long after its removal nobody gets a relay's name, addresses and slot. relays-per-node: how many " +
      "relays a node gets at most by its hardware. relays-per-address: how many relays of a node have one IPv4 address " +
      "together, each with a port of its own"
  )
)

const set = Command.make(
  "set",
  {
    rule: ruleArgument,
    value: Argument.String("value").pipe(
      Argument.withDescription("A time such as 7d or 36h, or a number of relays; `default` gives the first value back")
    )
  },
  Effect.fn("pool.set")(function*({ rule, value }) {
    const rules = yield* (yield* PoolAdministration).set(yield* administrator, rule, value)
    const when = {
      quarantine: "",
      "relays-per-node": " No node loses a relay by it, and a node's own number goes before it.",
      "relays-per-address": " Relays that have their address and port keep them."
    }[rule]
    yield* Console.log(`${rule} is now ${ruleText(rules, rule)}.${when}`)
  })
).pipe(
  Command.withDescription("Set how relays are given to nodes"),
  Command.withExamples([
    { command: "patela pool set quarantine 14d", description: "Two weeks, also for what is in quarantine now" },
    { command: "patela pool set relays-per-node 16", description: "No more than 16 on one node" },
    { command: "patela pool set relays-per-address 8", description: "Eight relays of a node on one IPv4 address" }
  ]),
  Command.provide(StoreServices)
)

const get = Command.make(
  "get",
  { rule: Argument.optional(ruleArgument), json: jsonFlag },
  Effect.fn("pool.get")(function*({ rule, json }) {
    const rules = yield* (yield* AllocationSettings).rules
    const names = Option.match(rule, { onNone: () => RULE_NAMES, onSome: (one) => [one] })
    if (json) return yield* printJson(Object.fromEntries(names.map((one) => [one, ruleText(rules, one)])))
    yield* Console.log(
      Option.isSome(rule)
        ? ruleText(rules, rule.value)
        : names.map((one) => `${one} ${ruleText(rules, one)}`).join("\n")
    )
  })
).pipe(
  Command.withDescription("Print how relays are given to nodes"),
  Command.withExamples([{ command: "patela pool get quarantine", description: "How long nobody gets what was left" }]),
  Command.provide(StoreServices)
)

export const pool = Command.make("pool").pipe(
  Command.withDescription("Where relays get their addresses from, and by what rules"),
  Command.withExamples([
    { command: "patela pool list", description: "How many addresses are free" },
    { command: "patela pool add 192.0.2.10-192.0.2.99/24", description: "More of them" }
  ]),
  Command.withSubcommands([add, list, remove, set, get])
)
