import { describe, it } from "@effect/vitest"
import { failed } from "@patela/domain/reconciler/Outcome"
import { Effect, Layer } from "effect"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { expect } from "vitest"
import { HostCommand } from "../../src/host/HostCommand.ts"
import { LedgerReader } from "../../src/ledger/LedgerReader.ts"
import {
  allDone,
  drift,
  FAR_V4,
  FAR_V6,
  hostOf,
  inputOf,
  onHost as onNode,
  type Read,
  readers,
  reconcile,
  type Write,
  writers
} from "./RelayNetwork.ts"
import { testNetwork } from "./TestNetwork.ts"

/** Each kind reads the host by one or two programs, and writes by as many. */
const MOST_PROGRAMS = 20

describe("the relay network on a real kernel", () => {
  const network = testNetwork()

  const onHost = <A, E>(effect: Effect.Effect<A, E, Read | Write>) => Effect.suspend(() => onNode(network(), effect))

  it.live("removes the relays that go, first address of the subnet included, and leaves the others", () =>
    onHost(Effect.gen(function*() {
      allDone(yield* reconcile(inputOf(4)))
      const four = inputOf(4)
      const two = { ...four, config: { ...four.config, relays: four.config.relays.slice(2) } }
      const others = network().foreign()
      const main = network().mainTables()
      const plans = yield* drift(two)
      expect(plans.every(({ action, reason }) => action === "remove" && reason === "not in config")).toBe(true)
      allDone(yield* reconcile(two))
      expect(yield* drift(two)).toEqual([])
      expect(network().sourceSeen(FAR_V4, 50_002)).toBe("198.51.100.12")
      expect(network().sourceSeenSoon(FAR_V4, 50_000)).toMatch(/^nothing/)
      expect(network().foreign()).toBe(others)
      expect(network().mainTables()).toBe(main)
    })))

  it.live("removes a relay that goes together with its pool, and says whose all of it was", () =>
    onHost(Effect.gen(function*() {
      const two = inputOf(2)
      allDone(yield* reconcile(two))
      const one = { ...two.config, relays: two.config.relays.slice(1), network: { ...two.config.network, pools: [] } }
      const input = { ...two, config: one }
      const others = network().foreign()
      const plans = yield* drift(input)
      expect(plans.map(({ action, address, scope }) => `${action} ${address} of ${scope}`)).toEqual([
        "remove relay/cheese0/address-v4 of relay/cheese0",
        "remove relay/cheese0/address-v6 of relay/cheese0",
        "remove relay/cheese0/source-nat of relay/cheese0"
      ])
      allDone(yield* reconcile(input))
      expect(yield* drift(input)).toEqual([])
      expect(network().run("ip", "-o", "address", "show", "dev", "e0")).not.toMatch(
        /198\.51\.100\.10\/|2001:db8:2::a\//
      )
      expect((yield* (yield* LedgerReader).read).addresses.map(({ relay }) => relay)).toEqual(["cheese1", "cheese1"])
      expect(network().sourceSeen(FAR_V4, 50_001)).toBe("198.51.100.11")
      expect(network().foreign()).toBe(others)
    })))

  it.live("leaves out the relay whose address the kernel refuses", () =>
    onHost(Effect.gen(function*() {
      const input = inputOf(3)
      const [first, second, third] = input.config.relays
      if (first === undefined || second === undefined || third === undefined) throw new Error("three relays expected")
      const multicast = inputOf(3).config.relays.map((relay) =>
        relay.slot === 1 && relay.ip_v6 !== null ? Object.assign({}, relay, { ip_v6: "ff02::5" }) : relay
      )
      const outcomes = yield* reconcile({ ...input, config: { ...input.config, relays: multicast } })
      const refused = [...outcomes].filter(([, { done }]) => !done)
      expect(refused.map(([address]) => address)).toEqual(["relay/cheese1/address-v6"])
      expect(network().sourceSeen(FAR_V6, 50_002)).toBe("2001:db8:2::c")
    })))

  it.live("finds the relay whose elements the kernel refuses and applies the others", () =>
    Effect.gen(function*() {
      // A kernel that refuses one element: the real one, asked for a key that is there already.
      const poisoned = Layer.effect(
        HostCommand,
        Effect.gen(function*() {
          const real = yield* HostCommand
          const poison = Effect.fnUntraced(function*(program: string, args: ReadonlyArray<string>) {
            const path = args.at(-1) ?? ""
            if (program === "nft" && args.includes("-f")) {
              yield* real.run("sed", [
                "-i",
                `s/\\[134348804,"198.51.100.13"\\]/[134348804,"198.51.100.13"],[134348804,"198.51.100.99"]/`,
                path
              ])
            }
          })
          return HostCommand.of({
            run: (program, args, options) =>
              Effect.andThen(Effect.ignore(poison(program, args)), real.run(program, args, options)),
            attempt: real.attempt,
            ask: real.ask
          })
        })
      ).pipe(Layer.provide(hostOf(network().near)))
      const input = inputOf(9)
      const outcomes = yield* reconcile(input).pipe(
        Effect.provide(Layer.merge(readers, writers).pipe(Layer.provide(poisoned)))
      )
      const refused = [...outcomes].filter(([, { done }]) => !done)
      expect(refused).toEqual([["relay/cheese3/source-nat", failed(expect.stringContaining("refuses the source"))]])
      expect(network().sourceSeen(FAR_V4, 50_008)).toBe("198.51.100.18")
      expect(network().sourceSeenSoon(FAR_V4, 50_003)).toMatch(/^nothing/)
      allDone(yield* onHost(reconcile(input)))
      expect(network().sourceSeen(FAR_V4, 50_003)).toBe("198.51.100.13")
    }))

  it.live("converges after a kill at any line of any batch", () =>
    Effect.gen(function*() {
      const input = inputOf(2)
      let lines = 0
      let alive = true
      while (alive) {
        network().clear()
        let budget = lines
        alive = false
        const mortal = Layer.effect(
          HostCommand,
          Effect.gen(function*() {
            const real = yield* HostCommand
            const attempt: typeof real.attempt = (program, args, options) => {
              const isWrite = args.includes("-force") || args.includes("-f")
              if (!isWrite) return real.attempt(program, args, options)
              const stdin = typeof options?.stdin === "string"
                ? options.stdin.split("\n").filter((line) => line !== "")
                : [""]
              const allowed = stdin.slice(0, budget)
              budget -= allowed.length
              if (allowed.length === stdin.length) return real.attempt(program, args, options)
              alive = true
              const some = program === "ip" && allowed.length > 0
                ? real.attempt(program, args, { stdin: `${allowed.join("\n")}\n` })
                : Effect.void
              return Effect.andThen(some, Effect.interrupt)
            }
            const run: typeof real.run = (program, args, options) =>
              args.includes("-f")
                ? Effect.map(attempt(program, args, options), ({ stdout }) => stdout)
                : real.run(program, args, options)
            return HostCommand.of({ run, attempt, ask: real.ask })
          })
        ).pipe(Layer.provide(hostOf(network().near)))
        yield* reconcile(input).pipe(
          Effect.provide(Layer.merge(readers, writers).pipe(Layer.provide(mortal))),
          Effect.exit
        )
        yield* onHost(reconcile(input))
        expect(yield* onHost(drift(input))).toEqual([])
        lines += 1
      }
      expect(lines).toBeGreaterThan(14)
    }))

  it.live("starts no more programs for 64 relays than for a few", () =>
    onHost(Effect.gen(function*() {
      const input = inputOf(64)
      const startedBy = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
        let programs = 0
        const count = () => void programs++
        subscribe("child_process", count)
        const value = yield* Effect.ensuring(effect, Effect.sync(() => unsubscribe("child_process", count)))
        return [value, programs] as const
      })
      const [outcomes, applied] = yield* startedBy(reconcile(input))
      allDone(outcomes)
      const [changes, observed] = yield* startedBy(drift(input))
      expect(changes).toEqual([])
      expect(network().sourceSeen(FAR_V4, 50_063)).toBe("198.51.100.73")
      expect(applied).toBeLessThan(MOST_PROGRAMS)
      expect(observed).toBeLessThan(MOST_PROGRAMS)
    })))
})
