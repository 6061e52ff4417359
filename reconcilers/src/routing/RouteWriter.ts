import { Context, Effect, Layer } from "effect"
import { HostCommand } from "../host/HostCommand.ts"
import { batchFailures } from "../host/IpBatch.ts"
import type { Family, RouteEntry } from "./RouteEntry.ts"

export interface RouteStep {
  readonly step: "add" | "remove"
  readonly entry: RouteEntry
  /** The line says all there is to say, as ip printed it, and nothing is to be added to it. */
  readonly exact?: true
}

/**
 * Adds and removes entries of table 8020 and rules that look it up. Each step fails alone: the value has, for each
 * step, why it failed. An entry that is there already, or gone already, is no failure.
 */
export class RouteWriter extends Context.Service<RouteWriter, {
  readonly perform: (steps: ReadonlyArray<RouteStep>) => Effect.Effect<ReadonlyArray<string | undefined>>
}>()("@patela/reconcilers/routing/RouteWriter") {
  static readonly layer: Layer.Layer<RouteWriter, never, HostCommand> = Layer.effect(
    RouteWriter,
    Effect.gen(function*() {
      const host = yield* HostCommand

      const performOf = Effect.fnUntraced(function*(family: Family, steps: ReadonlyArray<RouteStep>) {
        const own = steps.filter(({ entry }) => entry.family === family)
        const reasons = new Map<RouteStep, string>()
        if (own.length === 0) return reasons
        const args = [family === "v4" ? "-4" : "-6", "-force", "-batch", "-"]
        const result = yield* host.attempt("ip", args, { stdin: own.map(lineOf).join("") }).pipe(
          Effect.catch(({ message }) => Effect.succeed({ exitCode: 1, stdout: "", stderr: message }))
        )
        for (const [line, reason] of batchFailures(result, own.length)) {
          const step = own[line - 1]
          if (step !== undefined && !isAlreadySo(step, reason)) reasons.set(step, reason)
        }
        return reasons
      })

      const perform = Effect.fn("RouteWriter.perform")(function*(steps: ReadonlyArray<RouteStep>) {
        const v4 = yield* performOf("v4", steps)
        const v6 = yield* performOf("v6", steps)
        return steps.map((step) => v4.get(step) ?? v6.get(step))
      })

      return RouteWriter.of({ perform })
    })
  )
}

/**
 * `onlink`, because the main table has no route to the gateway (addresses come without one), and the kernel else
 * refuses a gateway that it cannot reach. A route replaces the one of its destination and metric.
 */
const lineOf = ({ entry: { line, what }, exact, step }: RouteStep): string => {
  if (step === "remove") return `${what} del ${line}\n`
  if (exact === true) return `${what} add ${line}\n`
  return what === "rule"
    ? `rule add ${line}\n`
    : `route replace ${line}${line.includes(" via ") ? " onlink" : ""}\n`
}

const isAlreadySo = ({ step }: RouteStep, reason: string): boolean =>
  step === "add" ? /File exists/.test(reason) : /No such process|No such file or directory/.test(reason)
