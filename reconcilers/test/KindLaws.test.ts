import { assert, describe, it } from "@effect/vitest"
import { differences } from "@patela/domain/reconciler/Change"
import { make } from "@patela/domain/reconciler/Kind"
import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import { relayScope, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Cause, Console, Context, Effect, Exit, Layer, Stream } from "effect"
import { type Broken, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"

const SECRET = "16:C0FFEE\"\n"

type Values = ReadonlyMap<RelayName, string>

class Reader extends Context.Service<Reader, { readonly values: Effect.Effect<Values> }>()("test/Reader") {}

class Writer extends Context.Service<Writer, {
  readonly put: (name: RelayName, value: string) => Effect.Effect<void, { readonly message: string }>
  readonly touchForeign: Effect.Effect<void>
  readonly runProgram: (argument: string) => Effect.Effect<void>
}>()("test/Writer") {}

/** What a careless author may get wrong. */
type Mistake =
  | "none"
  | "leaves a difference"
  | "writes in vain"
  | "changes what is foreign"
  | "needs its first write"
  | "fails after a kill"
  | "gives up at the first failure"
  | "is silent about a failure"
  | "shows a secret in a difference"
  | "shows a secret in an outcome"
  | "logs a secret"
  | "prints a secret"
  | "gives a secret to a program"

const addressOf = (name: RelayName): ResourceAddress => `relay/${name}/value`

/** A kind of one value a relay, `whole`, made of two writes. */
const kindWith = (mistake: Mistake) =>
  make({
    kind: "test",
    desired: ({ config }) =>
      config.relays.map(({ name }) => ({ address: addressOf(name), scope: relayScope(name), needs: [], value: name })),
    observe: () =>
      Reader.use(({ values }) => values).pipe(
        Effect.map((values) => new Map([...values].map(([name, value]) => [addressOf(name), value])))
      ),
    diff: (desired, observed) =>
      differences<RelayName, string>({
        desired,
        observed,
        compare: (_, value) => {
          if (mistake === "needs its first write" && value === "half") return []
          return value === "whole" && mistake !== "leaves a difference"
            ? []
            : [mistake === "shows a secret in a difference" ? SECRET : "another value"]
        },
        created: () => [mistake === "shows a secret in a difference" ? SECRET : "no value"],
        removed: () => undefined
      }),
    apply: Effect.fnUntraced(function*(changes) {
      const writer = yield* Writer
      const outcomes = new Map<ResourceAddress, Outcome>()
      let isBeaten = false
      if (mistake === "changes what is foreign") yield* writer.touchForeign
      if (mistake === "logs a secret") yield* Effect.logInfo("made", SECRET)
      if (mistake === "prints a secret") yield* Console.log(SECRET)
      if (mistake === "gives a secret to a program") yield* writer.runProgram(SECRET)
      for (const change of changes) {
        if (change.action === "remove") continue
        const isHalf = change.action === "update" && change.observed === "half"
        const outcome: Outcome = isBeaten
          ? failed("another relay failed")
          : mistake === "fails after a kill" && isHalf
          ? failed("half of it is there")
          : mistake === "writes in vain"
          ? yield* writer.put(change.desired, "half").pipe(Effect.ignore, Effect.as(failed("in vain")))
          : yield* writer.put(change.desired, "half").pipe(
            Effect.andThen(writer.put(change.desired, "whole")),
            Effect.match({ onFailure: ({ message }) => failed(message), onSuccess: () => done })
          )
        if (mistake === "gives up at the first failure") isBeaten ||= !outcome.done
        const isSilent = mistake === "is silent about a failure"
        const isTold = mistake === "shows a secret in an outcome" && !outcome.done
        outcomes.set(change.address, isSilent ? done : isTold ? failed(SECRET) : outcome)
      }
      return outcomes
    }),
    watch: Stream.never
  })

const NAMES = ["toma", "brie"].map((name) => RelayName.make(name))

const worldOf = (broken: Broken): World<Reader | Writer> & { readonly values: Values } => {
  const host = new FakeHost()
  const values = new Map<RelayName, string>()
  const argv: Array<string> = []
  let foreign = 0
  const layer = Layer.merge(
    Layer.succeed(Reader, { values: Effect.sync(() => values) }),
    Layer.succeed(Writer, {
      put: (name, value) =>
        broken.has(name) ? Effect.fail({ message: "broken" }) : host.write(() => values.set(name, value)),
      touchForeign: host.write(() => {
        foreign++
      }),
      runProgram: (argument) => Effect.sync(() => argv.push(argument))
    })
  )
  return { host, layer, values, foreign: () => foreign, secrets: [SECRET], argv: () => argv }
}

const INPUT = nodeInput(NAMES.map((name, slot) => relayAt(slot, name)))

const CAUGHT: ReadonlyArray<readonly [Mistake, RegExp]> = [
  ["leaves a difference", /law 1/],
  ["writes in vain", /law 2/],
  ["changes what is foreign", /law 3/],
  ["needs its first write", /converged half/],
  ["fails after a kill", /law 4/],
  ["gives up at the first failure", /law 5: the others/],
  ["is silent about a failure", /law 5: .* is broken/],
  ["shows a secret in a difference", /law 6/],
  ["shows a secret in an outcome", /law 6/],
  ["logs a secret", /law 6/],
  ["prints a secret", /law 6/],
  ["gives a secret to a program", /law 6/]
]

describe("the law suite", () => {
  it.effect("passes a kind that keeps the laws", () => kindLaws(kindWith("none"), INPUT, worldOf))

  it.effect.each(CAUGHT)("catches a kind that %s", ([mistake, law]) =>
    Effect.gen(function*() {
      const laws = kindLaws(kindWith(mistake), INPUT, worldOf, ({ values }, unmade) => {
        for (const [name, value] of values) {
          if (!unmade.has(addressOf(name))) assert.strictEqual(value, "whole", "converged half")
        }
      })
      const exit = yield* Effect.exit(laws)
      const said = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "nothing"
      assert.match(said, law)
      assert.notInclude(said, SECRET)
    }))
})
