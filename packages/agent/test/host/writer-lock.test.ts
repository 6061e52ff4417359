import { assert, describe, it } from "@effect/vitest"
import { WriterLock } from "@patela/agent/host/WriterLock"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(`${tmpdir()}/patela-lock-`)),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** Holds the lock for the length of what it is given. */
const holding = <A, E>(path: string, during: Effect.Effect<A, E>) =>
  Effect.scoped(Effect.andThen(Effect.flatMap(WriterLock, ({ hold }) => hold), during)).pipe(
    Effect.provide(WriterLock.layerAt(path))
  )

describe("the lock of the one writer", () => {
  it.live("is held by one at a time, and free as soon as that one is done", () =>
    Effect.gen(function*() {
      const path = `${yield* directory}/run/lock`
      yield* holding(
        path,
        Effect.gen(function*() {
          const second = yield* Effect.flip(holding(path, Effect.void))
          assert.include(second.message, `another patela-agent is changing this host (it holds ${path})`)
          assert.strictEqual(statSync(path).mode & 0o777, 0o600)
        })
      )
      yield* holding(path, Effect.void)
    }))

  it.live("goes with its holder, however that dies", () =>
    Effect.gen(function*() {
      const path = `${yield* directory}/lock`
      const other = spawn("bash", ["-c", "exec 9> \"$0\" && flock --nonblock 9 && echo locked && exec sleep 60", path])
      yield* Effect.promise(() => once(other.stdout, "data"))
      assert.include((yield* Effect.flip(holding(path, Effect.void))).message, "another patela-agent")
      const ended = once(other, "exit")
      other.kill("SIGKILL")
      yield* Effect.promise(() => ended)
      yield* holding(path, Effect.void)
    }))
})
