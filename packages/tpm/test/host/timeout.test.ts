import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, FileSystem } from "effect"
import { TestClock } from "effect/testing"
import { createServer } from "node:net"
import { Tcti } from "../../src/transport/Tcti.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { tpmBy, transports } from "./Transports.ts"

describe.each(transports)("a TPM that never answers, by %s", (transport) => {
  it.effect("is given up after 10 s, and nothing waits for it any more", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const socket = `${yield* files.makeTempDirectoryScoped({ prefix: "mute-tpm-" })}/s`
      const connected = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      // The tools open both sockets of a swtpm before they ask anything.
      for (const path of [socket, `${socket}.ctrl`]) {
        const server = createServer((connection) => {
          Deferred.doneUnsafe(connected, Effect.void)
          connection.on("error", () => {}).on("close", () => Deferred.doneUnsafe(closed, Effect.void)).resume()
        })
        yield* Effect.acquireRelease(
          Effect.callback<void>((resume) => {
            server.listen(path, () => resume(Effect.void))
          }),
          () => Effect.sync(() => server.close())
        )
      }
      yield* Effect.gen(function*() {
        const tpm = yield* Tpm
        const asking = yield* Effect.forkChild(Effect.flip(tpm.nvPublics))
        yield* Deferred.await(connected)
        yield* TestClock.adjust("10 seconds")
        const error = yield* Fiber.join(asking)
        assert.strictEqual(error._tag, "TpmTimeout")
        yield* Deferred.await(closed)
      }).pipe(Effect.provide(tpmBy(transport, Tcti.make(`swtpm:path=${socket}`))))
    }).pipe(Effect.provide(NodeServices.layer)))
})
