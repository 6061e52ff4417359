import { Context, Effect, Layer } from "effect"
import { HostCommand } from "../host/HostCommand.ts"
import { batchFailures } from "../host/IpBatch.ts"

/** One step of the kernel's. An address added is on its link afterwards whether or not it was there before. */
export type AddressStep =
  | { readonly step: "up"; readonly link: string }
  | { readonly step: "down"; readonly link: string }
  | { readonly step: "add" | "remove"; readonly link: string; readonly address: string; readonly prefix: number }

/**
 * Sets links up or down, adds and removes addresses. Each step fails alone: the value has, for each step, why it failed.
 *
 * Addresses come without a prefix route (`noprefixroute`): the kernel would put that one into the main table, which is
 * never written. IPv6 addresses come with `nodad`, for a tentative address cannot be bound, and tor starts at once.
 */
export class AddressWriter extends Context.Service<AddressWriter, {
  readonly perform: (steps: ReadonlyArray<AddressStep>) => Effect.Effect<ReadonlyArray<string | undefined>>
}>()("@patela/reconcilers/addresses/AddressWriter") {
  static readonly layer: Layer.Layer<AddressWriter, never, HostCommand> = Layer.effect(
    AddressWriter,
    Effect.gen(function*() {
      const host = yield* HostCommand

      /**
       * Without it the kernel removes every other address of the subnet along with the first (ip-sysctl.rst), whoever
       * removes that: so it is set as soon as there are addresses, and is no reason not to add one.
       */
      const promoteSecondaries = Effect.fn("AddressWriter.promoteSecondaries")(function*(link: string) {
        const reason = yield* host.run("tee", [`/proc/sys/net/ipv4/conf/${link}/promote_secondaries`], {
          stdin: "1\n"
        }).pipe(
          Effect.as(undefined),
          Effect.catch(({ message }) => Effect.succeed(`promote_secondaries of ${link} cannot be set: ${message}`))
        )
        return { link, reason }
      })

      const perform = Effect.fn("AddressWriter.perform")(function*(steps: ReadonlyArray<AddressStep>) {
        const changed = new Set(steps.filter(({ step }) => step !== "up").map(({ link }) => link))
        const unsafe = new Map<string, string>()
        for (const { link, reason } of yield* Effect.forEach(changed, promoteSecondaries)) {
          if (reason !== undefined) unsafe.set(link, reason)
        }
        const refusalOf = (step: AddressStep) => step.step === "remove" ? unsafe.get(step.link) : undefined
        const safe = steps.filter((step) => refusalOf(step) === undefined)
        const reasons = new Map<AddressStep, string>()
        if (safe.length > 0) {
          const result = yield* host.attempt("ip", ["-force", "-batch", "-"], { stdin: safe.map(lineOf).join("") })
            .pipe(
              Effect.catch(({ message }) => Effect.succeed({ exitCode: 1, stdout: "", stderr: message }))
            )
          for (const [line, reason] of batchFailures(result, safe.length)) {
            const step = safe[line - 1]
            if (step !== undefined && !isAlreadySo(step, reason)) reasons.set(step, reason)
          }
        }
        return steps.map((step) => refusalOf(step) ?? reasons.get(step))
      })

      return AddressWriter.of({ perform })
    })
  )
}

const lineOf = (step: AddressStep): string => {
  if (step.step === "up" || step.step === "down") return `link set dev ${step.link} ${step.step}\n`
  const where = `${step.address}/${step.prefix} dev ${step.link}`
  if (step.step === "remove") return `address del ${where}\n`
  return `address replace ${where} noprefixroute${step.address.includes(":") ? " nodad" : ""}\n`
}

/** EADDRNOTAVAIL: what should be removed is gone already. */
const isAlreadySo = (step: AddressStep, reason: string): boolean =>
  step.step === "remove" && /Cannot assign requested address|Address not found/.test(reason)
