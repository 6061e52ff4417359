import { assert, describe, it } from "@effect/vitest"
import { pruneGuard } from "@patela/agent/pass/PruneGuard"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { ChangeView } from "@patela/domain/reconciler/Change"
import { relayScope, type Scope } from "@patela/domain/reconciler/Resource"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Schema } from "effect"
import { memoryInput } from "./MemoryKinds.ts"

const NAMES = ["toma", "robiola", "castelmagno", "raschera", "bra", "murazzano"]

/** What is true of each relay: wanted, running, and taken off the node by a person. */
const Relay = Schema.Struct({ wanted: Schema.Boolean, running: Schema.Boolean, removed: Schema.Boolean })
const Relays = Schema.Tuple([Relay, Relay, Relay, Relay, Relay, Relay])
const Generation = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 3 })))

const change = (action: ChangeView["action"], scope: Scope, kind: string): ChangeView => ({
  kind,
  address: `${scope}/${kind}`,
  scope,
  action,
  reason: action === "remove" ? "not in config" : "drift",
  needs: [],
  lines: []
})

const situation = (relays: typeof Relays.Type, generation: number) => {
  const named = relays.map((relay, index) => ({
    ...relay,
    // A relay that is wanted is not one that was taken off.
    removed: relay.removed && !relay.wanted,
    name: RelayName.make(NAMES[index] ?? "")
  }))
  const { config: base } = memoryInput(
    named.filter(({ wanted }) => wanted).map(({ name }) => [name, "a"] as const)
  )
  const config: NodeConfig = {
    ...base,
    generation,
    removed: named.filter(({ removed }) => removed).map(({ name }) => name)
  }
  const changes = named.flatMap(({ name, running, wanted }) => {
    const scope = relayScope(name)
    if (wanted) return running ? [] : [change("create", scope, "units")]
    return running ? [change("remove", scope, "units"), change("remove", scope, "account")] : []
  })
  return { named, config, changes: [...changes, change("remove", "node", "addresses")] }
}

describe("pruneGuard", () => {
  it.effect.prop(
    "never lets more than half of the running relays go that nobody took off, and none by an older or empty word",
    [Relays, Generation, Generation],
    ([relays, generation, applied]) =>
      Effect.sync(() => {
        const { changes, config, named } = situation(relays, generation)
        const hold = pruneGuard(changes, config, applied)
        const admitted = changes.filter((each) => hold(each) === undefined)
        const going = named.filter(({ name, removed }) =>
          !removed && admitted.some(({ action, scope }) => action === "remove" && scope === relayScope(name))
        )
        const running = named.filter((relay) => relay.running).length
        assert.isAtMost(going.length * 2, running)
        if (config.relays.length === 0 || generation < applied) assert.deepStrictEqual(going, [])
      })
  )

  it.effect.prop(
    "lets what a person took off go in any case, and holds nothing that is no removal",
    [Relays, Generation, Generation],
    ([relays, generation, applied]) =>
      Effect.sync(() => {
        const { changes, config } = situation(relays, generation)
        const hold = pruneGuard(changes, config, applied)
        const removed = new Set(config.removed.map(relayScope))
        for (const each of changes) {
          if (each.action !== "remove" || [...removed].includes(relayScope(nameIn(each.scope)))) {
            if (each.scope !== "node") assert.isUndefined(hold(each), each.address)
          }
        }
      })
  )

  it("lets half of them go, and says what to do where more would", () => {
    const half = situation([R(true), R(true), R(true), R(false), R(false), R(false)], 2)
    const more = situation([R(true), R(true), R(false), R(false), R(false), R(true, false)], 2)
    const unit = (name: string) => change("remove", relayScope(RelayName.make(name)), "units")
    assert.isUndefined(pruneGuard(half.changes, half.config, 2)(unit("raschera")))
    assert.match(pruneGuard(more.changes, more.config, 2)(unit("raschera")) ?? "", /3 of 5.*patela relay remove/)
  })

  it("lets what a relay was called before go", () => {
    const gone = { wanted: false, running: true, removed: false }
    const stays = { wanted: true, running: false, removed: false }
    const none = { wanted: false, running: false, removed: false }
    const { changes, config } = situation([gone, stays, none, none, none, none], 1)
    const going = (relays: NodeConfig["relays"]) =>
      changes.filter((each) => pruneGuard(changes, { ...config, relays }, 1)(each) === undefined)
        .filter(({ action, scope }) => action === "remove" && scope !== "node").length
    assert.strictEqual(going(config.relays), 0, "all that runs would go")
    assert.strictEqual(going(config.relays.map((relay) => ({ ...relay, formerly: [RelayName.make("toma")] }))), 2)
  })
})

const R = (wanted: boolean, running = true) => ({ wanted, running, removed: false })

const nameIn = (scope: Scope): RelayName => RelayName.make(scope === "node" ? "none" : scope.slice("relay/".length))
