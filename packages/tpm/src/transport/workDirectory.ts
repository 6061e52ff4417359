import { Effect, FileSystem, type PlatformError, type Scope } from "effect"

/** Where key contexts and the bytes of one activation may lie for a moment: in memory, never on a disk. */
const CANDIDATES = ["/run", "/dev/shm"]

/** The mount points of a text like /proc/mounts that are kept in memory (proc_pid_mounts(5)). */
export const memoryMounts = (mounts: string): ReadonlySet<string> =>
  new Set(
    mounts.split("\n").flatMap((line) => {
      const [, at, type] = line.split(" ")
      return at !== undefined && (type === "tmpfs" || type === "ramfs") ? [at] : []
    })
  )

/**
 * A directory of mode 0700, removed with the scope: on /run or /dev/shm where they are in memory and writable, else
 * where the system keeps temporary files.
 */
export const workDirectory: Effect.Effect<string, PlatformError.PlatformError, FileSystem.FileSystem | Scope.Scope> =
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const mounts = yield* Effect.orElseSucceed(files.readFileString("/proc/mounts"), () => "")
    const inMemory = memoryMounts(mounts)
    const made = (directory?: string) =>
      files.makeTempDirectoryScoped({ prefix: "patela-tpm-", ...(directory === undefined ? {} : { directory }) })
    const attempts = CANDIDATES.filter((candidate) => inMemory.has(candidate)).map(made)
    return yield* attempts.reduceRight((otherwise, attempt) => attempt.pipe(Effect.catch(() => otherwise)), made())
  })
