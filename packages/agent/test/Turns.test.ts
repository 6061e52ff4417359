import { assert, describe, it } from "@effect/vitest"
import { makeTurns } from "@patela/agent/watch/Turns"
import { Effect, Schema } from "effect"
import { memoryHost, memoryKind } from "./MemoryKinds.ts"

const NAMES = ["account", "store", "unit", "vault"] as const
const UNHURRIED = new Set<string>(["store", "vault"])
const kinds = NAMES.map((name) => ({ ...memoryKind(memoryHost(), name, []), unhurried: UNHURRIED.has(name) }))

const Dirty = Schema.Struct({ kinds: Schema.Array(Schema.Literals(NAMES)), full: Schema.Boolean })

describe("what is looked at in which turn", () => {
  it.effect.prop(
    "is all that is wanted, now or in the next turn, and what is in a hurry now",
    [Schema.Array(Dirty)],
    ([asked]) =>
      Effect.sync(() => {
        const divided = makeTurns(kinds)
        let late: ReadonlySet<string> = new Set()
        for (const each of asked) {
          const wanted = new Set<string>([...each.kinds, ...late])
          const { later, now } = divided({ full: each.full, kinds: wanted })
          assert.deepStrictEqual(new Set([...now.kinds, ...later]), wanted)
          assert.strictEqual(now.full, each.full)
          for (const kind of later) assert.isTrue(UNHURRIED.has(kind) && !late.has(kind) && !each.full)
          if (wanted.size > 0) assert.isAbove(now.kinds.size, 0)
          if ([...now.kinds].some((kind) => !UNHURRIED.has(kind)) && !each.full) {
            for (const kind of now.kinds) assert.isTrue(!UNHURRIED.has(kind) || late.has(kind))
          }
          late = later
        }
      })
  )
})
