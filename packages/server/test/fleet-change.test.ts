import { assert, describe, it } from "@effect/vitest"
import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { lineDifferences } from "@patela/domain/torrc/lineDifferences"
import { Schema } from "effect"
import { fleetChangeText, fleetTotals } from "../src/commands/describeFleetChange.ts"
import { fleetChange, type LayeredRelay } from "../src/torrc/fleetChange.ts"
import { layerReader, type LayerTexts, resolveTorrc } from "../src/torrc/resolveTorrc.ts"
import type { TorrcScope } from "../src/torrc/TorrcScope.ts"

const Layer = Schema.Literals([
  "",
  "# nothing\n",
  "NumCPUs 1\n",
  "NumCPUs 2\nContactInfo a\n",
  "ExitPolicy reject *:25\n",
  "+ExitPolicy accept *:80\n",
  "/ExitPolicy\nSandbox 1\n",
  "Nickname x\nContactInfo b\n"
])
const Fleet = Schema.Struct({
  global: Layer,
  nodes: Schema.Array(
    Schema.Struct({ torrc: Layer, relays: Schema.Array(Layer).pipe(Schema.check(Schema.isMaxLength(4))) })
  )
    .pipe(Schema.check(Schema.isMaxLength(5))),
  of: Schema.Literals(["default", "node", "relay"]),
  text: Layer
})

interface Layers {
  readonly global: string
  readonly nodes: ReadonlyArray<{ readonly torrc: string; readonly relays: ReadonlyArray<string> }>
}

const relaysOf = ({ global, nodes }: Layers): ReadonlyArray<LayeredRelay> =>
  nodes.flatMap(({ torrc: node, relays }, at) =>
    relays.map((relay, slot) => ({
      name: RelayName.make(`cheese${at}x${slot}`),
      node: NodeId.make(at + 1),
      layers: { global, node, relay }
    }))
  )

const scopeOf = (of: typeof Fleet.Type["of"]): TorrcScope => {
  if (of === "default") return { of }
  return of === "node" ? { of, id: NodeId.make(2) } : { of, name: RelayName.make("cheese1x0") }
}

const replaced = (layers: LayerTexts, of: typeof Fleet.Type["of"], text: string): LayerTexts => {
  if (of === "default") return { ...layers, global: text }
  return of === "node" ? { ...layers, node: text } : { ...layers, relay: text }
}

describe("what a change of a layer does to the fleet", () => {
  it.prop("is what every relay is told before and after", [Fleet], ([fleet]) => {
    const [read, relays, scope] = [layerReader(false), relaysOf(fleet), scopeOf(fleet.of)]
    const { changed, unchanged } = fleetChange(relays, scope, fleet.text, read)
    const said = new Map(changed.flatMap((group) => group.relays.map(({ name }) => [name, group] as const)))
    assert.strictEqual(said.size + unchanged, relays.length)
    for (const { name, node, layers } of relays) {
      const touched = fleet.of === "default" || (fleet.of === "node" ? node === 2 : name === "cheese1x0")
      const before = resolveTorrc(layers, read)
      const after = touched ? resolveTorrc(replaced(layers, fleet.of, fleet.text), read) : before
      assert.deepStrictEqual(said.get(name)?.lines ?? [], lineDifferences(before, after), name)
      const fixed = /NumCPUs/.test(lineDifferences(before, after).join()) || /Sandbox 1/.test(before + after)
      assert.strictEqual(said.get(name)?.impact === "restart", before !== after && fixed, name)
    }
    const kinds = changed.map(({ impact, lines, restart_for }) => JSON.stringify({ impact, lines, restart_for }))
    assert.strictEqual(new Set(kinds).size, kinds.length, "one block for what is the same")
  }, { arbitrary: { runs: 300 } })

  it("is one block for a thousand relays of which the same is to be said", () => {
    const nodes = Array.from({ length: 125 }, () => ({ torrc: "", relays: ["", "", "", "", "", "", "", ""] }))
    const other = { torrc: "NumCPUs 2\n", relays: ["ContactInfo mine\n", ""] }
    const relays = relaysOf({ global: "NumCPUs 1\n", nodes: [...nodes, other] })
    const change = fleetChange(relays, { of: "default" }, "ContactInfo us\n", layerReader(false))
    assert.strictEqual(
      fleetChangeText(change),
      `restart  1000 relays of 125 nodes: ${
        Array.from({ length: 8 }, (_, slot) => `cheese0x${slot}`).join(", ")
      } and 992 more
  (a running tor cannot change NumCPUs)
  - NumCPUs 1
  + ContactInfo "us"

reload  1 relay of node 126: cheese125x1
  + ContactInfo "us"

1001 of 1002 relays would change: 1 reloaded, 1000 restarted.`
    )
  })

  it("says where nothing would change", () => {
    assert.strictEqual(fleetTotals({ changed: [], unchanged: 0 }), "There are no relays yet.")
    assert.strictEqual(fleetTotals({ changed: [], unchanged: 1 }), "None of 1 relay would change.")
  })
})
