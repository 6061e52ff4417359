import { Deferred, Effect, Stream } from "effect"
import { readFileSync } from "node:fs"
import { HostMonitor, type MonitorCommand } from "../../src/host/HostMonitor.ts"
import { monitorOf } from "./RelayNetwork.ts"

/** A program that listens in a namespace for good, and writes the numbers of its monitors once both listen. */
const listen = Effect.fnUntraced(function*(...command: MonitorCommand) {
  const monitor = yield* HostMonitor
  const listens = yield* Deferred.make<void>()
  yield* Effect.forkScoped(
    Stream.runForEach(monitor.events(...command), () => Deferred.succeed(listens, undefined))
  )
  yield* Deferred.await(listens)
})

await Effect.runPromise(
  Effect.gen(function*() {
    yield* listen("ip", "monitor")
    yield* listen("nft", "monitor")
    process.stdout.write(readFileSync(`/proc/self/task/${process.pid}/children`, "utf8"))
    return yield* Effect.never
  }).pipe(Effect.scoped, Effect.provide(monitorOf(process.argv[2] ?? "")))
)
