import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { outlook } from "@patela/agent/converge/Plan"
import { kindsFor } from "@patela/agent/Kinds"
import { nodeLayer } from "@patela/agent/NodeLayer"
import { inputOf, pass } from "@patela/agent/pass/Pass"
import { Session } from "@patela/agent/session/Session"
import { Config, Console, Duration, Effect, Schema } from "effect"
import type { ChildProcess } from "node:child_process"
import { subscribe } from "node:diagnostics_channel"
import { readFileSync } from "node:fs"
import { performance } from "node:perf_hooks"
import { median } from "../../Row.ts"
import { PassFigures } from "../PassFigures.ts"

/**
 * Runs on the node: passes with nothing to do, by the agent's own layers, in one process that stays up as the watching
 * agent does. Prints PassFigures. Its environment is that of the agent's unit, which is to be stopped: a bare TPM serves
 * one client.
 */
const WARM_UP = 10
const RUNS = 60
/** Between two passes: an agent that looks once a minute does not find its caches warm. */
const PAUSE = Duration.millis(500)
const RUNS_OF_A_KIND = 21

class NotInSync extends Schema.TaggedError<NotInSync>()("NotInSync", { message: Schema.String }) {}

const spawned: Array<ChildProcess> = []
const isSpawn = (message: unknown): message is { readonly process: ChildProcess } =>
  typeof message === "object" && message !== null && "process" in message
subscribe("child_process", (message) => {
  if (isSpawn(message)) spawned.push(message.process)
})

/** The programs that were started since it was last asked, with their first arguments. */
const takeSpawned = (): ReadonlyArray<string> =>
  spawned.splice(0).map(({ spawnargs }) =>
    spawnargs.slice(0, 4).map((word) => word.length > 40 ? "..." : word.split("/").at(-1) ?? word).join(" ")
  )

/** Milliseconds of processor time so far; of programs in the ticks of /proc/PID/stat, a hundredth of a second (proc(5)). */
const cpuOf = () => {
  const { system, user } = process.cpuUsage()
  const stat = readFileSync("/proc/self/stat", "utf8")
  const [children = "0", childrenSystem = "0"] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(13, 15)
  return { agent: (system + user) / 1000, programs: (Number(children) + Number(childrenSystem)) * 10 }
}

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const began = performance.now()
    yield* effect
    return performance.now() - began
  })

const main = Effect.gen(function*() {
  const options = {
    server: new URL(yield* Config.String("PATELA_SERVER")),
    caCertificate: yield* Config.String("PATELA_CA_CERT"),
    tpm: yield* Config.String("TPM2TOOLS_TCTI"),
    allowUnmeasured: false,
    skipNet: false,
    skipRestore: false,
    relayInterface: undefined
  }
  yield* Effect.gen(function*() {
    const config = yield* (yield* Session).config({ total: Duration.zero })
    const kinds = kindsFor(options)
    const once = Effect.gen(function*() {
      const { convergence, full, troubles } = yield* pass(kinds, config, { relayInterface: undefined })
      if (!full || convergence.changes.length > 0 || troubles.length > 0) {
        return yield* new NotInSync({
          message: `the pass was not one with nothing to do: ${convergence.changes.length} changes, ` +
            troubles.slice(0, 5).map((trouble) => JSON.stringify(trouble)).join("; ")
        })
      }
    })
    for (let run = 0; run < WARM_UP; run++) yield* once
    takeSpawned()
    yield* once
    const spawns = takeSpawned()
    const spaced = yield* Effect.replicateEffect(Effect.andThen(Effect.sleep(PAUSE), timed(once)), RUNS)
    const before = cpuOf()
    const backToBack = yield* Effect.replicateEffect(timed(once), RUNS)
    const after = cpuOf()
    const cpuMs = {
      agent: (after.agent - before.agent) / RUNS,
      programs: (after.programs - before.programs) / RUNS
    }

    takeSpawned()
    const facts = yield* Effect.replicateEffect(timed(inputOf(config, undefined)), RUNS_OF_A_KIND)
    const alone = [{ kind: "(host facts)", ms: median(facts), spawns: takeSpawned().length / RUNS_OF_A_KIND }]
    for (const kind of kinds) {
      const input = yield* inputOf(config, undefined)
      takeSpawned()
      const times = yield* Effect.replicateEffect(timed(outlook(kind, input)), RUNS_OF_A_KIND)
      alone.push({ kind: kind.kind, ms: median(times), spawns: takeSpawned().length / RUNS_OF_A_KIND })
    }
    yield* Console.log(yield* Schema.encodeEffect(PassFigures)({ spaced, backToBack, cpuMs, spawns, alone }))
  }).pipe(Effect.provide(nodeLayer(options)))
})

NodeRuntime.runMain(main)
