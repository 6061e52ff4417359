import { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Effect, Option, Redacted, Schema } from "effect"
import { Administration } from "../../src/nodes/Administration.ts"
import { Nodes } from "../../src/nodes/Nodes.ts"
import { newChallenge } from "../../src/session/challenge.ts"
import { keysDigest } from "../../src/session/keysDigest.ts"
import { Tokens } from "../../src/session/Tokens.ts"
import { NetworkSettings } from "../../src/settings/NetworkSettings.ts"

/** A relay network that fits the pools of the rig. */
export const network = Schema.decodeSync(NetworkSettings)({
  gateway_v4: "192.0.2.1",
  gateway_v6: null,
  dns: ["192.0.2.53"],
  geoip: false,
  test_network: false
})

export const specs = { n_cpus: 3, memory: 8 * 1024 ** 3, cpu_name: "test" }

/** So many machines, waiting. Their keys are no keys, which the repositories do not look at. */
export const enlistMany = Effect.fnUntraced(function*(count: number) {
  const nodes = yield* Nodes
  return yield* Effect.forEach(Array.from({ length: count }), (_, index) =>
    Effect.map(
      nodes.enlist({ ek_public: `e${index}`, ak_public: `a${index}`, ak_name: `n${index}` }, {
        machines: 1000,
        days: 30
      }),
      Option.getOrThrow
    ))
})

/** A token of the node in its epoch now. */
export const tokenOf = Effect.fnUntraced(function*(id: NodeId) {
  const node = yield* (yield* Administration).node(id)
  const made = yield* Clock.currentTimeMillis
  const claims = { node: id, epoch: node.epoch, keys: keysDigest(node), challenge: newChallenge(), made }
  return Redacted.value(yield* (yield* Tokens).mint(claims))
})

/** So many machines, enabled, each with a token. */
export const enabledMany = Effect.fnUntraced(function*(count: number) {
  const administration = yield* Administration
  const machines = yield* enlistMany(count)
  return yield* Effect.forEach(machines, ({ id }) =>
    Effect.gen(function*() {
      yield* administration.setEnabled("test", id, true)
      return { id, token: yield* tokenOf(id) }
    }))
})

export const node1 = NodeId.make(1)
