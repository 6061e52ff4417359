import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { makeNode64 } from "./host64/Node64.ts"
import { putStandIns } from "./host64/standIn.ts"
NodeRuntime.runMain(Effect.scoped(Effect.gen(function*() {
  const n = yield* makeNode64
  yield* Console.log("first", n.firstSeconds)
  yield* putStandIns(n.mission)
  yield* n.mission.node.execOk(["systemctl", "restart", "patela-agent-watch.service"], { within: "3 minutes" })
  yield* Console.log("up", JSON.stringify(Object.keys(n.mission.node)))
  yield* Effect.never
})) as Effect.Effect<void>)
