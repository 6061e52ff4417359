import { assert, layer } from "@effect/vitest"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Context, Effect, Layer, Ref } from "effect"
import { type Cheese } from "../src/faults/faultConfig.ts"
import { FaultHost } from "../src/faults/FaultHost.ts"
import { numberFrom, seeded } from "../src/faults/seeded.ts"
import { type Fault, FAULTS, type Tool, type ToolFault, ToolFaults, TOOLS } from "../src/faults/ToolFaults.ts"

/** Another seed is another run; each failure says its own. */
const SEED = numberFrom("PATELA_FAULT_SEED", 1)
/** Rounds of all tools and faults; 0 is one round with few of those faults that are waited for. */
const ROUNDS = numberFrom("PATELA_FAULT_ROUNDS", 0)

/** A tool with one of these is waited for until it is given up: 10 s, of systemd-sysusers 60. */
const SLOW: ReadonlySet<Fault> = new Set(["hang", "linger"])
const SLOW_TOOLS: ReadonlySet<Tool> = new Set(ROUNDS === 0 ? ["ip"] : TOOLS)

/** No pass with one fault takes longer, in milliseconds: until a program is given up, and what else there is to do. */
const BOUND = 90_000
const GIVEN_UP = 9000

/** What a message must name for a person to know where to look. */
const NAMES: Readonly<Record<Tool, RegExp>> = {
  nft: /nft/,
  ip: /\bip\b/,
  "systemd-sysusers": /systemd-sysusers/,
  tor: /\btor\b/,
  tpm2: /TPM|tpm2/
}

/** A node on which every trial changes from one configuration to the other. */
class Host extends Context.Service<
  Host,
  FaultHost & { readonly next: Ref.Ref<number>; readonly first: ReadonlyArray<string> }
>()("@patela/test/ToolsHost") {
  static readonly layer = Layer.effect(
    Host,
    Effect.gen(function*() {
      const host = yield* FaultHost.make()
      yield* ToolFaults.install(host.node.mission.node)
      const first = yield* host.foreign
      return Host.of({ ...host, next: yield* Ref.make(0), first })
    })
  )
}

/** The other configuration: another torrc, one relay for another, another name server; so every tool has work. */
const nextConfig = Effect.fnUntraced(function*() {
  const { config, next } = yield* Host
  const number = yield* Ref.getAndUpdate(next, (it) => it + 1)
  const relays: ReadonlyArray<Cheese> = ["toma", number % 2 === 0 ? "bra" : "robiola"]
  return config({ relays, contact: `nobody ${number}`, dns: `203.0.113.${1 + number % 9}` })
})

const recovers = Effect.fnUntraced(function*(config: NodeConfig, about: string) {
  const { first, settle, unharmed } = yield* Host
  yield* settle(config, about)
  yield* unharmed(first, about)
})

/** One pass with these faults ends in time and says which tool it was; the next one without them puts all right. */
const trial = Effect.fnUntraced(function*(faults: ReadonlyArray<ToolFault>, about: string, tool: Tool | undefined) {
  const { node } = yield* Host
  const config = yield* nextConfig()
  yield* ToolFaults.plan(node.mission.node, faults)
  const began = Date.now()
  const [answer] = yield* node.passes(config, 1)
  const took = Date.now() - began
  const calls = yield* ToolFaults.clear(node.mission.node)
  assert.isBelow(took, BOUND, about)
  if (answer?.verdict !== "converged") {
    assert.isNotEmpty(answer?.troubles ?? [], about)
    if (tool !== undefined) assert.match(answer?.troubles.join("\n") ?? "", NAMES[tool], about)
  }
  yield* recovers(config, `${about}: ${answer?.verdict}, ${answer?.troubles.join("; ")}`)
  const met = faults.every(({ call, tool: faulty }) => call === "*" || (calls.get(faulty) ?? 0) > call)
  return { calls, felt: answer?.verdict !== "converged" || took > GIVEN_UP, met, verdict: answer?.verdict }
})

layer(Host.layer, { excludeTestServices: true, timeout: 180_000 })("a tool of the host", (it) => {
  it.effect(
    "that does no work, half of it, or none that ends, is named, and the next pass puts things right",
    () =>
      Effect.gen(function*() {
        const below = seeded(SEED)
        yield* trial([], "to begin with", undefined)
        const { calls, verdict } = yield* trial([], "no fault", undefined)
        assert.strictEqual(verdict, "converged")
        for (const tool of TOOLS) assert.isAbove(calls.get(tool) ?? 0, 0, `${tool} has work`)
        const felt = new Set<Fault>()
        for (let round = 0; round < Math.max(1, ROUNDS); round++) {
          for (const tool of TOOLS) {
            for (const fault of FAULTS.filter((each) => !SLOW.has(each) || SLOW_TOOLS.has(tool))) {
              const call = below(calls.get(tool) ?? 1)
              const about = `seed ${SEED}: ${tool}, call ${call}: ${fault}`
              const { felt: noticed, met } = yield* trial([{ tool, call, fault }], about, tool)
              // One that is kept and asked and hangs is given up after two seconds, and started anew: nothing shows it.
              if (fault === "hang" ? met : noticed) felt.add(fault)
            }
          }
        }
        // The faults are felt: a stand-in that nobody calls would prove nothing.
        for (const fault of ["fail", "hang"] as const) assert.isTrue(felt.has(fault), fault)
      }),
    Math.max(1, ROUNDS) * 900_000
  )

  it.effect("that fails now and then, with all others", () =>
    Effect.gen(function*() {
      const below = seeded(SEED + 1)
      for (let round = 0; round < 3 * Math.max(1, ROUNDS); round++) {
        const faults = TOOLS.flatMap((tool) =>
          Array.from({ length: 40 }, (_, call): ReadonlyArray<ToolFault> => {
            const fault = (["fail", "garbage", "half", "late"] as const)[below(12)]
            return fault === undefined ? [] : [{ tool, call, fault }]
          }).flat()
        )
        yield* trial(faults, `seed ${SEED}, storm ${round}`, undefined)
      }
    }), Math.max(1, ROUNDS) * 180_000)
})
