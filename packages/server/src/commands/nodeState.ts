import type { NodeId } from "@patela/domain/node/NodeId"
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { Administration } from "../nodes/Administration.ts"
import { isProven } from "../nodes/NodeView.ts"
import { TrustPolicy } from "../trust/TrustPolicy.ts"
import { reaches } from "../trust/TrustTier.ts"
import { administrator } from "./administrator.ts"
import { nodeIdArgument } from "./nodeIdArgument.ts"
import { StoreServices } from "./StoreServices.ts"

/** What a person should know who lets a node in. */
const notesOn = Effect.fn("notesOn")(function*(id: NodeId) {
  const node = yield* (yield* Administration).node(id)
  const policy = yield* TrustPolicy
  const [tier, lowest] = [yield* policy.tier(node), yield* policy.lowest]
  return [
    ...isProven(node) ? [] : ["It has not shown yet that it holds the keys that it names."],
    ...reaches(tier, lowest)
      ? []
      : [`Its endorsement key is ${tier} and the lowest tier is ${lowest}: it is refused until that is changed.`]
  ]
})

const setEnabled = Effect.fn("setEnabled")(function*(id: NodeId, enabled: boolean) {
  const administration = yield* Administration
  const changed = yield* administration.setEnabled(yield* administrator, id, enabled)
  const state = enabled ? "enabled" : "disabled"
  const notes = enabled ? yield* notesOn(id) : []
  const done = changed ? `Node ${id} is now ${state}.` : `Node ${id} is ${state} already; nothing was changed.`
  yield* Console.log([done, ...notes].join("\n"))
})

const enabling = (name: string) =>
  Command.make("enable", { id: nodeIdArgument }, ({ id }) => setEnabled(id, true)).pipe(
    Command.withDescription("Let a node in. Compare its EK fingerprint with the machine first: patela node show ID"),
    Command.withExamples([{ command: `${name} 5`, description: "Let node 5 in" }]),
    Command.provide(StoreServices)
  )

/** `patela enable ID`, short for `patela node enable ID`. */
export const enable = enabling("patela enable")

export const nodeEnable = enabling("patela node enable")

export const nodeDisable = Command.make("disable", { id: nodeIdArgument }, ({ id }) => setEnabled(id, false)).pipe(
  Command.withDescription("Shut a node out at once: its token ends, and it gets no other"),
  Command.withExamples([{ command: "patela node disable 5", description: "Shut node 5 out" }]),
  Command.provide(StoreServices)
)

export const nodeRevoke = Command.make(
  "revoke",
  { id: nodeIdArgument },
  Effect.fn("node.revoke")(function*({ id }) {
    const revoked = yield* (yield* Administration).revoke(yield* administrator, id)
    yield* Console.log(
      revoked
        ? `Every token of node ${id} has ended. The node stays enabled and authenticates again by itself.`
        : `Node ${id} is not enabled and so has no token; nothing was changed.`
    )
  })
).pipe(
  Command.withDescription("End every token of a node at once; it stays enabled and has to prove itself again"),
  Command.withExamples([{ command: "patela node revoke 5", description: "After node 5's memory may have been read" }]),
  Command.provide(StoreServices)
)
