import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { Effect, Option } from "effect"
import { converge } from "../converge/Converge.ts"
import { admitAll } from "../converge/Hold.ts"
import { look } from "../converge/Look.ts"
import { AgentNotes, AgentState, configDigest } from "../host/AgentState.ts"
import { HostFactsReader } from "../host/HostFactsReader.ts"
import { KeptConfig } from "../host/KeptConfig.ts"
import { ServerProbe } from "../host/ServerProbe.ts"
import { TrialFile } from "../host/TrialFile.ts"
import { WriterLock } from "../host/WriterLock.ts"

/**
 * Ends a trial that an agent was killed in: where the server cannot be reached now, the configuration is quarantined and
 * the network kinds are brought back to the last good one, or to nothing where there is none. It comes before anything is
 * asked of the server, which may not answer for just that reason.
 */
export const recoverTrial = Effect.fn("recoverTrial")(
  function*<Read, Write>(kinds: ReadonlyArray<Kind<Read, Write>>, relayInterface: string | undefined) {
    const file = yield* TrialFile
    const tried = Option.getOrUndefined(yield* file.read)
    if (tried === undefined) return
    const reached = yield* Effect.result((yield* ServerProbe).persist)
    if (reached._tag === "Failure") {
      const why = `${reached.failure.message}, and the agent that tried it was killed`
      yield* (yield* WriterLock).hold
      yield* (yield* AgentNotes).note({ quarantined: { digest: configDigest(tried), why } })
      yield* Effect.logWarning(`the network of the last configuration is taken back: ${why}`)
      yield* takeBack(kinds, goodConfig(tried, yield* (yield* KeptConfig).read), relayInterface)
    }
    yield* file.clear
  },
  Effect.scoped
)

/**
 * The last good configuration, with the tried one's pools besides its own: addresses from them are Patela's to remove, and
 * one of them may be what cut the node off. Where there is none, the tried one without its relays, which is a network with
 * nothing in it. Pure.
 */
export const goodConfig = (tried: NodeConfig, kept: Option.Option<NodeConfig>): NodeConfig =>
  Option.match(Option.filter(kept, (config) => configDigest(config) !== configDigest(tried)), {
    onNone: () => ({ ...tried, relays: [] }),
    onSome: (good) => ({
      ...good,
      network: { ...good.network, pools: [...good.network.pools, ...tried.network.pools] }
    })
  })

const takeBack = Effect.fnUntraced(function*<Read, Write>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  config: NodeConfig,
  relayInterface: string | undefined
) {
  const network = kinds.filter(({ checkpoint }) => checkpoint !== undefined)
  const notes = yield* (yield* AgentState).read
  const facts = yield* (yield* HostFactsReader).read(config, { named: relayInterface, noted: notes.relayInterface })
  // Not new: it is no trial to go back.
  const input = { config, facts, configIsNew: false }
  const { changes, failures } = yield* converge(yield* look(network, input, undefined), input, admitAll)
  for (const { action, address } of changes) yield* Effect.logInfo(`${action}d ${address} (taken back)`)
  for (const { address, message } of failures) yield* Effect.logError(`${address}: ${message}`)
})
