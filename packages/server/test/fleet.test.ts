import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { stripVTControlCharacters } from "node:util"
import { changeLine, fleetScreen } from "../src/commands/fleetText.ts"
import { fleetChanges } from "../src/fleet/fleetChanges.ts"
import { type FleetSight, fleetSightOf } from "../src/fleet/FleetSight.ts"

const Text = Schema.NullOr(Schema.Literals(["one", "other\u001b[2J"]))
const Node = Schema.Struct({
  hostname: Text,
  state: Schema.Literals(["waiting", "enabled"]),
  configuration: Schema.Literals(["current", "behind", "rolled back"]),
  contact: Schema.Literals(["heard", "silent"]),
  rolled_back: Text
})
const Relay = Schema.Struct({
  node: Schema.Literals(["1", "2"]),
  state: Schema.Literals(["running", "blocked", "alarm"]),
  blocked: Text,
  alarm: Text
})
const Pieces = Schema.Struct({
  nodes: Schema.Array(Schema.Tuple([Schema.Literals(["1", "2", "3"]), Node])),
  relays: Schema.Array(Schema.Tuple([Schema.Literals(["toma", "brie", "gouda"]), Relay]))
})
const sightOf = ({ nodes, relays }: typeof Pieces.Type): FleetSight => ({
  nodes: new Map(nodes),
  relays: new Map(relays)
})

/** What one who hears of changes alone knows: all that is not null. */
const apply = (known: Map<string, string>, changes: ReturnType<typeof fleetChanges>) => {
  for (const { after, before, field, name, of } of changes) {
    const key = `${of} ${name} ${field}`
    assert.strictEqual(known.get(key) ?? null, before)
    if (after === null) known.delete(key)
    else known.set(key, after)
  }
  return known
}

const valuesOf = (sight: FleetSight) => apply(new Map(), fleetChanges(undefined, sight))

describe("what becomes of a fleet", () => {
  it.prop("is told whole at first, then by changes that lead to the same, and by none where nothing changed", [
    Pieces,
    Pieces
  ], ([one, other]) => {
    const [before, after] = [sightOf(one), sightOf(other)]
    assert.deepStrictEqual(fleetChanges(before, before), [])
    assert.deepEqual(
      [...apply(valuesOf(before), fleetChanges(before, after))].sort(),
      [...valuesOf(after)].sort()
    )
    for (const change of fleetChanges(before, after)) assert.notMatch(changeLine("now", change), /[\u0000-\u001f]/)
  })

  it.prop("fits on a screen, and nothing that nodes say moves its cursor", [
    Pieces,
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 8, maximum: 40 })))
  ], ([pieces, rows]) => {
    const text = stripVTControlCharacters(fleetScreen(sightOf(pieces), 7, rows, 80))
    assert.isAtMost(text.split("\n").length, rows)
    assert.notMatch(text.replaceAll("\n", ""), /[\u0000-\u001f]/)
    assert.include(text, "generation 7")
  })

  it("names what is in trouble, and that an enabled node has not asked for three minutes", () => {
    const node = { hostname: "one", state: "enabled", configuration: "current", contact: "heard", rolled_back: null }
    const relay = { node: "1", state: "running", blocked: null, alarm: null }
    const well: FleetSight = { nodes: new Map([["1", node]]), relays: new Map([["toma", relay]]) }
    assert.include(
      stripVTControlCharacters(fleetScreen(well, 1, 24, 80)),
      "1 relays: 1 running\n\nnothing is in trouble"
    )
    const ill = stripVTControlCharacters(fleetScreen(
      {
        nodes: new Map([["1", { ...node, contact: "silent" }]]),
        relays: new Map([["toma", { ...relay, state: "blocked", blocked: "no key" }]])
      },
      1,
      24,
      80
    ))
    assert.match(ill, /node 1 +one +silent/)
    assert.match(ill, /toma +node 1 +blocked +no key/)
    assert.deepStrictEqual([...fleetSightOf({ nodes: [], relays: [] }, 1, 0).nodes], [])
  })
})
