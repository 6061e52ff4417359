import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { Effect } from "effect"
import { converge, type Convergence } from "../converge/Converge.ts"
import { troubleOf, type Verdict, verdictOf } from "../converge/Verdict.ts"
import { AgentNotes, AgentState, configDigest } from "../host/AgentState.ts"
import { HostFactsReader } from "../host/HostFactsReader.ts"
import { WriterLock } from "../host/WriterLock.ts"

/** What the desired state of this host is computed from, now. */
export const inputOf = Effect.fn("Pass.inputOf")(function*(config: NodeConfig, relayInterface: string | undefined) {
  const notes = yield* (yield* AgentState).read
  const facts = yield* (yield* HostFactsReader).read(config, { named: relayInterface, noted: notes.relayInterface })
  return { config, facts, configIsNew: notes.converged !== configDigest(config) } satisfies DesiredInput
})

/** What a pass came to. */
export interface PassResult {
  readonly convergence: Convergence
  readonly verdict: Verdict
}

/** One pass under the writer lock: look, change, look again; one log line for each change and each trouble. */
export const pass = Effect.fn("Pass.pass")(
  function*<Read, Write>(
    kinds: ReadonlyArray<Kind<Read, Write>>,
    config: NodeConfig,
    relayInterface: string | undefined
  ) {
    yield* (yield* WriterLock).hold
    const notes = yield* AgentNotes
    const input = yield* inputOf(config, relayInterface)
    const link = input.facts.relayInterface
    if (link.found) yield* notes.note({ relayInterface: link.name })
    const convergence = yield* converge(kinds, input)
    const verdict = verdictOf(convergence, config.relays.map(({ name }) => name))
    for (const { action, address, reason } of convergence.changes) {
      yield* Effect.logInfo(`${action}d ${address} (${reason})`)
    }
    if (verdict === "converged") yield* notes.note({ converged: configDigest(config) })
    return { convergence, verdict } satisfies PassResult
  },
  Effect.scoped
)

/** Everything that is not as configured, one line each, for a person. Pure. */
export const troubles = (result: PassResult, config: NodeConfig): ReadonlyArray<string> => {
  const nodes = result.convergence.failures.filter(({ scope }) => scope === "node")
    .map(({ address, message }) => `${address}: ${message}`)
  const relays = config.relays.flatMap(({ name }) => {
    const trouble = troubleOf(result.convergence, name)
    return trouble === undefined ? [] : [trouble]
  })
  const gone = result.convergence.failures.filter(({ scope }) =>
    scope !== "node" && !config.relays.some(({ name }) => scope === `relay/${name}`)
  ).map(({ address, message }) => `${address}: ${message}`)
  return [...nodes, ...relays, ...gone]
}
