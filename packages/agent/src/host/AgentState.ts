import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { ReplaceFile } from "@patela/reconcilers/host/ReplaceFile"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs/promises"

/** Where the agent notes what it converged on. On a tmpfs: it goes with the boot, as the host's state does. */
export const STATE_PATH = "/run/patela/agent.json"

const State = Schema.fromJsonString(Schema.Struct({
  version: Schema.Literal(1),
  /** SHA-256 of the configuration that the host was last converged to, in hex. */
  converged: Schema.String
}))

const ConfigText = Schema.fromJsonString(NodeConfig)

/** SHA-256, in hex, of a configuration's encoded form. */
export const configDigest = (config: NodeConfig): string =>
  createHash("sha256").update(Schema.encodeSync(ConfigText)(config)).digest("hex")

/** What this boot's passes have come to. It only tells drift from a new configuration, so losing it is harmless. */
export class AgentState extends Context.Service<AgentState, {
  readonly convergedDigest: Effect.Effect<Option.Option<string>>
  readonly noteConverged: (digest: string) => Effect.Effect<void>
}>()("@patela/agent/host/AgentState") {
  static readonly layerAt = (path: string) =>
    Layer.effect(
      AgentState,
      Effect.gen(function*() {
        const { replace } = yield* ReplaceFile
        const convergedDigest = Effect.tryPromise(() => fs.readFile(path, "utf8")).pipe(
          Effect.flatMap(Schema.decodeUnknownEffect(State)),
          Effect.map(({ converged }) => converged),
          Effect.option
        )
        const noteConverged = Effect.fn("AgentState.noteConverged")(function*(digest: string) {
          if (Option.contains(yield* convergedDigest, digest)) return
          const content = Schema.encodeSync(State)({ version: 1, converged: digest })
          yield* replace({ path, content, mode: 0o600, uid: 0, gid: 0 })
        }, Effect.catch((error) => Effect.logWarning(`the state of the agent was not noted: ${error.message}`)))
        return AgentState.of({ convergedDigest, noteConverged })
      })
    )

  static readonly layer = AgentState.layerAt(STATE_PATH)
}
