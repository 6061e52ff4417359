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
      files.makeTempDirectoryScoped({
        prefix: `patela-tpm-${process.pid}-`,
        ...(directory === undefined ? {} : { directory })
      })
    yield* sweepDead
    const attempts = CANDIDATES.filter((candidate) => inMemory.has(candidate)).map((candidate) => made(candidate))
    return yield* attempts.reduceRight((otherwise, attempt) => attempt.pipe(Effect.catch(() => otherwise)), made())
  })

/**
 * Removes the directories of processes that were killed before they could: an opened credential may lie in one. Only in
 * /run, where nobody but root makes names, so that nothing is swapped for a link on the way.
 */
const sweepDead = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  for (const name of yield* files.readDirectory("/run")) {
    const owner = Number(/^patela-tpm-(\d+)-/.exec(name)?.[1])
    if (!Number.isInteger(owner) || owner <= 0 || isAlive(owner)) continue
    yield* files.remove(`/run/${name}`, { recursive: true, force: true })
  }
}).pipe(Effect.ignore)

/** kill(2) with signal 0: EPERM is a living process of somebody else's. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return !(cause instanceof Error && "code" in cause && cause.code === "ESRCH")
  }
}
