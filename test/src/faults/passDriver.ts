import { JournalLogger } from "@patela/agent/commands/JournalLogger"
import { troubleText } from "@patela/agent/converge/Trouble"
import { verdictOf } from "@patela/agent/converge/Verdict"
import { kindsFor } from "@patela/agent/Kinds"
import { nodeLayer, observingLayer } from "@patela/agent/NodeLayer"
import { changeText, pass } from "@patela/agent/pass/Pass"
import { recoverTrial } from "@patela/agent/pass/recoverTrial"
import { Cause, Effect, Exit, Layer, Logger, Result, Schema } from "effect"
import { type Calls, countedServices, countFileSteps } from "./KillPoint.ts"
import { type PassAnswer, PassAnswers, PassRequest } from "./PassRequest.ts"

/**
 * Passes of the agent's own layers on the host that this runs on, with the configuration on standard input and no word
 * from a server. What it was asked is a PassRequest on standard input, what came of it a PassAnswer on standard output.
 */
const read = async (): Promise<string> => {
  let text = ""
  for await (const chunk of process.stdin.setEncoding("utf8")) text += String(chunk)
  return text
}

/** Services of the agent's that are no writers, though they are not in the layer that only looks. */
const NO_WRITERS = new Set([
  "@patela/agent/host/KeptConfig",
  "@patela/agent/host/ServerProbe",
  "@patela/agent/host/ServiceNotify",
  "@patela/reconcilers/host/HostCommand",
  "@patela/reconcilers/host/ReplaceFile",
  "@patela/reconcilers/identity/IdentityPolicy",
  "@patela/reconcilers/host/SystemBus"
])

const main = Effect.gen(function*() {
  const request = yield* Effect.promise(read).pipe(Effect.flatMap(Schema.decodeEffect(PassRequest)))
  const { config, kill, passes, relayInterface } = request
  const options = {
    server: new URL(request.server),
    caCertificate: request.caCertificate,
    tpm: request.tpm,
    allowUnmeasured: false,
    skipNet: false,
    skipRestore: false,
    relayInterface
  }
  const calls: Calls = { service: [], file: [] }
  yield* Effect.promise(() => countFileSteps(calls, kill))
  const lookers = new Set((yield* Layer.build(observingLayer(options))).mapUnsafe.keys())
  const services = yield* Layer.build(nodeLayer(options))
  const isWriter = (key: string) => key.startsWith("@patela/") && !lookers.has(key) && !NO_WRITERS.has(key)
  const counted = countedServices(services, isWriter, calls, kill)

  const once = Effect.gen(function*() {
    const before = { service: calls.service.length, file: calls.file.length }
    yield* recoverTrial(kindsFor(options), relayInterface)
    const made = yield* Effect.result(pass(kindsFor(options), config, { relayInterface }))
    const verdict = Result.match(made, {
      onFailure: ({ message }) => ({ verdict: "failed" as const, changes: [], troubles: [message] }),
      onSuccess: ({ convergence, rolledBack, troubles }) => ({
        verdict: verdictOf(troubles, config.relays.map(({ name }) => name), rolledBack),
        changes: convergence.changes.map(changeText),
        troubles: troubles.map(troubleText)
      })
    })
    return {
      ...verdict,
      calls: { service: calls.service.slice(before.service), file: calls.file.slice(before.file) }
    } satisfies PassAnswer
  })
  const answers = yield* Effect.replicateEffect(once, passes).pipe(Effect.provide(counted))
  const text = yield* Schema.encodeEffect(PassAnswers)(answers)
  // A connection that nobody answers would keep the process: as the agent does, it ends all the same.
  yield* Effect.callback<void>((resume) => void process.stdout.write(`${text}\n`, () => resume(Effect.void)))
}).pipe(Effect.scoped, Effect.provide(Logger.layer([JournalLogger])))

Effect.runCallback(main, {
  onExit: (exit) => {
    if (Exit.isFailure(exit)) process.stderr.write(`${Cause.pretty(exit.cause)}\n`)
    process.exit(Exit.isSuccess(exit) ? 0 : 1)
  }
})
