import { assert, describe, it } from "@effect/vitest"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { Effect, Layer, Schema } from "effect"
import type { LookedAt } from "../src/host/LookAtFile.ts"
import { Resolver } from "../src/resolver/Resolver.ts"
import { ResolverReader } from "../src/resolver/ResolverReader.ts"
import { ResolverWriter } from "../src/resolver/ResolverWriter.ts"
import { CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { nodeInput } from "./NodeInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

type Services = Monitors | ResolverReader | ResolverWriter

const Found = Schema.Union([
  Schema.Struct({ type: Schema.Literals(["absent", "not a file"]) }),
  Schema.Struct({
    type: Schema.Literal("file"),
    content: Schema.Literals([
      "",
      "nameserver 192.0.2.1\n",
      `${OWNED_HEADER}\n`,
      `${OWNED_HEADER}\nnameserver 192.0.2.1\n`,
      `${OWNED_HEADER}\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n`
    ]),
    mode: Schema.Literals([0o644, 0o600]),
    uid: Schema.Literals([0, 1]),
    gid: Schema.Literals([0, 1])
  })
])
const Servers = Schema.Array(Schema.Literals(["192.0.2.1", "192.0.2.2", "2001:db8::1"]))

const worldOf = (start: LookedAt) => (): World<Services> => {
  let now = start
  const host = new FakeHost({})
  const isForeign = start.type === "not a file" || (start.type === "file" && !start.content.startsWith(OWNED_HEADER))
  const put = (next: LookedAt) =>
    host.write(() => {
      now = next
    })
  return {
    host,
    layer: Layer.mergeAll(
      noMonitors,
      Layer.succeed(ResolverReader, { read: Effect.sync(() => now) }),
      Layer.succeed(ResolverWriter, {
        write: (content) => put({ type: "file", content, mode: 0o644, uid: 0, gid: 0 }),
        remove: put({ type: "absent" })
      })
    ),
    foreign: () => (isForeign ? now : undefined)
  }
}

const kind: Kind<Services, Services> = Resolver

describe("resolver", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, ${said}`,
      [Servers, Found],
      ([dns, found]) => kindLaws(kind, nodeInput([], dns), worldOf(found), undefined, kills),
      runs
    )
  }

  it.effect("the order of servers counts, and is said to", () =>
    Effect.gen(function*() {
      const content = `${OWNED_HEADER}\nnameserver 192.0.2.2\nnameserver 192.0.2.1\n`
      const { layer } = worldOf({ type: "file", content, mode: 0o644, uid: 0, gid: 0 })()
      const { changes } = yield* Effect.provide(kind.plan(nodeInput([], ["192.0.2.1", "192.0.2.2"])), layer)
      assert.deepStrictEqual(changes.map(({ lines }) => lines), [["other text or order"]])
    }))
})
