import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, Duration, Effect, Layer, Stream } from "effect"
import { accessSync, constants, readFileSync } from "node:fs"
import { KERNEL_SETTINGS } from "../host/HostPaths.ts"
import { causeText, errorCode } from "../host/SystemError.ts"
import type { SettingValue, SettingValues } from "./Setting.ts"
import { SettingProbe } from "./SettingProbe.ts"

/**
 * Between two looks whether a setting changed. The kernel tells of next to none of them (rtnetlink's RTM_NEWNETCONF has
 * rp_filter and not accept_ra; nothing has the ports), and a file under /proc/sys has no inotify events.
 */
const BETWEEN_LOOKS = Duration.millis(100)

/** Reads kernel settings. */
export class SettingReader extends Context.Service<SettingReader, {
  /** What is at these paths under /proc/sys for a kind; one that is not there or cannot be read is left out. */
  readonly read: (kind: string, paths: ReadonlyArray<string>) => Effect.Effect<SettingValues, ObservationFailed>
  /** Tells when what was last read for a kind is otherwise. */
  readonly changes: (kind: string) => Stream.Stream<"look again">
}>()("@patela/reconcilers/kernel-settings/SettingReader") {
  static readonly layerAt = (root: string): Layer.Layer<SettingReader> =>
    Layer.sync(SettingReader, () => {
      /** By kind, the text at each path as last read or as last told of. */
      const known = new Map<string, Map<string, string | undefined>>()

      const read = Effect.fn("SettingReader.read")(function*(kind: string, paths: ReadonlyArray<string>) {
        const found = yield* Effect.forEach(paths, (path) =>
          Effect.try({
            try: () => [path, readNow(`${root}/${path}`)] as const,
            catch: (cause) =>
              new ObservationFailed({ kind, message: `cannot read ${root}/${path}: ${causeText(cause)}` })
          }))
        known.set(kind, new Map(found.map(([path, value]) => [path, value?.text])))
        return new Map(found.flatMap(([path, value]) => (value === undefined ? [] : [[path, value] as const])))
      })

      const changes = (kind: string) =>
        Stream.unwrap(Effect.gen(function*() {
          const probe = yield* Effect.acquireRelease(
            Effect.sync(() => new SettingProbe(root)),
            (opened) => Effect.sync(() => opened[Symbol.dispose]())
          )
          return Stream.tick(BETWEEN_LOOKS).pipe(
            Stream.filter(() => hasChanged(probe, known.get(kind))),
            Stream.map(() => "look again" as const)
          )
        }))

      return SettingReader.of({ read, changes })
    })

  static readonly layer: Layer.Layer<SettingReader> = SettingReader.layerAt(KERNEL_SETTINGS)
}

/** Whether a setting reads otherwise than known; what it reads now is known from then on. */
const hasChanged = (probe: SettingProbe, known: Map<string, string | undefined> | undefined): boolean => {
  let changed = false
  for (const [path, before] of known ?? []) {
    const now = probe.textAt(path)
    if (now === before) continue
    known?.set(path, now)
    changed = true
  }
  return changed
}

/** Not there: the module is not loaded, or the link is gone. No right to: not this namespace's. */
const ABSENT = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM"])

/** The call blocks for some microseconds: a thread of its own would take it a hundred times as long. */
const readNow = (path: string): SettingValue | undefined => {
  try {
    return { text: readFileSync(path, "utf8").replace(/\n$/, ""), writable: isWritable(path) }
  } catch (cause) {
    if (ABSENT.has(errorCode(cause) ?? "")) return undefined
    throw cause
  }
}

/** Also root may not write a setting whose file says so, nor one on a read-only mount (proc_sys_permission). */
const isWritable = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
