import { Effect, Schema } from "effect"
import { found, instead, waitFor } from "../rig/Deadline.ts"
import type { MachineRoom } from "../rig/MachineRoom.ts"
import { fault, type Mission } from "./Mission.ts"

const NodeListing = Schema.fromJsonString(Schema.Struct({
  nodes: Schema.Array(Schema.Struct({ id: Schema.Int, state: Schema.String, ek_fingerprint: Schema.String }))
}))

/** The node on the server's list of waiting machines, once it is there and its agent was told to wait. */
export const waitingNode = (mission: Mission<MachineRoom>) =>
  waitFor(
    "the node on the server's list, and its agent told to wait",
    Effect.gen(function*() {
      const { nodes } = yield* mission.patela("list", "node", "waiting", "--json").pipe(
        Effect.flatMap(Schema.decodeEffect(NodeListing))
      )
      const journal = yield* mission.agentJournal
      const [node] = nodes
      return node !== undefined && /not yet enabled/.test(journal) ? found(node) : instead(journal)
    }),
    { within: "90 seconds", every: "200 millis" }
  ).pipe(fault)
