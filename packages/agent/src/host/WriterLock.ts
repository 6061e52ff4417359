import { Context, Effect, Layer, Schema, type Scope } from "effect"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { dirname } from "node:path"

/** Another agent is changing this host, or the lock cannot be had at all. */
export class HostLocked extends Schema.TaggedError<HostLocked>()("HostLocked", { message: Schema.String }) {}

/** Where the lock is. Its directory is root's alone, so nobody else can hold the lock. */
export const LOCK_PATH = "/run/patela/lock"

/** flock(1) ends with this when somebody else has the lock. */
const CONFLICT = 75

/**
 * One writer a host: boot, `reconcile` and `reconcile --watch` hold the same flock(2) while they change things.
 *
 * Node has no flock. flock(1) given the number of a file descriptor that it inherits locks the open file description,
 * which it shares with us: the lock stays when it ends and goes with our descriptor, however we die (flock(2)).
 */
export class WriterLock extends Context.Service<WriterLock, {
  readonly hold: Effect.Effect<void, HostLocked, Scope.Scope>
}>()("@patela/agent/host/WriterLock") {
  static readonly layerAt = (path: string) =>
    Layer.succeed(
      WriterLock,
      WriterLock.of({
        hold: Effect.acquireRelease(
          Effect.try({ try: () => take(path), catch: (cause) => refusal(path, cause) }),
          (descriptor) => Effect.sync(() => fs.closeSync(descriptor))
        ).pipe(Effect.asVoid, Effect.withSpan("WriterLock.hold"))
      })
    )

  static readonly layer = WriterLock.layerAt(LOCK_PATH)
}

const take = (path: string): number => {
  fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const descriptor = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW, 0o600)
  const { error, status } = spawnSync("flock", ["--nonblock", "--conflict-exit-code", String(CONFLICT), "3"], {
    stdio: ["ignore", "ignore", "ignore", descriptor],
    timeout: 5000
  })
  if (status === 0) return descriptor
  fs.closeSync(descriptor)
  throw error ?? (status === CONFLICT ? "conflict" : `flock ended with code ${status}`)
}

const refusal = (path: string, cause: unknown): HostLocked =>
  new HostLocked({
    message: cause === "conflict"
      ? `another patela-agent is changing this host (it holds ${path}); wait for it, or see \`fuser ${path}\``
      : `cannot lock ${path}: ${cause instanceof Error ? cause.message : String(cause)}`
  })
