import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { ReplaceFile } from "@patela/reconcilers/host/ReplaceFile"
import { Context, Effect, Equal, Layer, Schema } from "effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs/promises"

/** Where the agent keeps its notes. On a tmpfs: it goes with the boot, as the host's state does. */
export const STATE_PATH = "/run/patela/agent.json"

const State = Schema.Struct({
  version: Schema.Literal(1),
  /** `configDigest` of the configuration that a whole pass was last made with and that was not taken back. */
  applied: Schema.optionalKey(Schema.String),
  /** Resources that were still not as that configuration wants after that pass: later changes of them are no drift. */
  pending: Schema.optionalKey(Schema.Array(Schema.String)),
  /** The highest generation of a configuration that was applied. */
  generation: Schema.optionalKey(Schema.Int),
  /** A configuration that cut the node off from its server: it is not tried again on this boot, unless a person says so. */
  quarantined: Schema.optionalKey(Schema.NullOr(Schema.Struct({ digest: Schema.String, why: Schema.String }))),
  /** SHA-256 of the last report that the server took, in hex. */
  reported: Schema.optionalKey(Schema.String),
  /** The link that was chosen for relays, so that what others do to links later does not move the relays. */
  relayInterface: Schema.optionalKey(Schema.String)
})
type State = typeof State.Type

const StateText = Schema.fromJsonString(State)

const ConfigText = Schema.fromJsonString(NodeConfig)

/**
 * SHA-256, in hex, of what a configuration asks for. Fingerprints are a record of what was, and the generation counts
 * changes of all nodes: neither counts.
 */
export const configDigest = (config: NodeConfig): string => {
  const before = digests.get(config)
  if (before !== undefined) return before
  const relays = config.relays.map((relay) => ({ ...relay, fingerprint: null }))
  const text = Schema.encodeSync(ConfigText)({ ...config, relays, generation: 0 })
  const digest = createHash("sha256").update(text).digest("hex")
  digests.set(config, digest)
  return digest
}

/** Of the configurations that are in use: every pass asks for it, and it costs as much as a small kind's look. */
const digests = new WeakMap<NodeConfig, string>()

export type Notes = Omit<State, "version">

const readNotes = (path: string): Effect.Effect<State> =>
  Effect.tryPromise(() => fs.readFile(path, "utf8")).pipe(
    Effect.flatMap(Schema.decodeEffect(StateText)),
    Effect.orElseSucceed((): State => ({ version: 1 }))
  )

/** Notes of this boot's passes. Losing them is harmless: drift is called a changed configuration, a link chosen anew. */
export class AgentState extends Context.Service<AgentState, { readonly read: Effect.Effect<Notes> }>()(
  "@patela/agent/host/AgentState"
) {
  static readonly layerAt = (path: string) => Layer.succeed(AgentState, AgentState.of({ read: readNotes(path) }))

  static readonly layer = AgentState.layerAt(STATE_PATH)
}

/** Writes the notes; apart from reading them, so that `diff` cannot. */
export class AgentNotes extends Context.Service<AgentNotes, {
  /** Adds to the notes; writes nothing where they say so already. */
  readonly note: (notes: Notes) => Effect.Effect<void>
}>()("@patela/agent/host/AgentNotes") {
  static readonly layerAt = (path: string) =>
    Layer.effect(
      AgentNotes,
      Effect.gen(function*() {
        const { replace } = yield* ReplaceFile
        const note = Effect.fn("AgentNotes.note")(function*(notes: Notes) {
          const before = yield* readNotes(path)
          const after: State = { ...before, ...notes }
          if (Equal.equals(after, before)) return
          const content = yield* Schema.encodeEffect(StateText)(after)
          yield* replace({ path, content, mode: 0o600, uid: 0, gid: 0 })
        }, Effect.catch((error) => Effect.logWarning(`the agent's notes were not written: ${error.message}`)))
        return AgentNotes.of({ note })
      })
    )

  static readonly layer = AgentNotes.layerAt(STATE_PATH)
}
