import { mergeTorrcs } from "./merge.ts"
import type { Torrc } from "./Torrc.ts"

const names = (list: string): ReadonlyArray<string> => list.split(/\s+/).filter((name) => name !== "")

/**
 * Options that a running tor refuses to change: with SIGHUP it exits (tor source, options_transition_allowed and the
 * immutable flags of its option table). `NumCPUs` is here because tor takes the change and goes on with the old value.
 */
export const RESTART_OPTIONS: ReadonlySet<string> = new Set(names(`
  AccelDir AccelName CacheDirectory DataDirectory DisableAllSwap DisableDebuggerAttachment HardwareAccel
  HiddenServiceNonAnonymousMode HiddenServiceSingleHopMode KeepBindCapabilities KeyDirectory NoExec NumCPUs PidFile
  RunAsDaemon Sandbox SyslogIdentityTag TestingTorNetwork TokenBucketRefillInterval User
`))

/** What a relay needs so that a changed torrc is in effect. */
export type ChangeImpact = "none" | "reload" | "restart"

const valuesByOption = (torrc: Torrc): ReadonlyMap<string, ReadonlyArray<string>> => {
  const values = new Map<string, ReadonlyArray<string>>()
  for (const { option, value } of mergeTorrcs([torrc])) values.set(option, [...values.get(option) ?? [], value])
  return values
}

/** The options whose values differ, sorted. What only reads otherwise (order of options, comments) is no difference. */
export const changedOptions = (before: Torrc, after: Torrc): ReadonlyArray<string> => {
  const [old, now] = [valuesByOption(before), valuesByOption(after)]
  const same = (option: string): boolean => {
    const [left, right] = [old.get(option), now.get(option)]
    return left?.length === right?.length && left?.every((value, index) => value === right?.[index]) === true
  }
  return [...new Set([...old.keys(), ...now.keys()])].filter((option) => !same(option)).sort()
}

/**
 * The options for which a change of torrc restarts tor, sorted; none where a reload will do. With `Sandbox 1` before or
 * after, every change restarts: tor's sandbox admits only the files and ports that it began with.
 */
export const restartOptionsOf = (before: Torrc, after: Torrc): ReadonlyArray<string> => {
  const changed = changedOptions(before, after)
  const fixed = changed.filter((option) => RESTART_OPTIONS.has(option))
  if (changed.length === 0 || fixed.includes("Sandbox")) return fixed
  const sandboxed = [before, after].some((torrc) => valuesByOption(torrc).get("Sandbox")?.includes("1") === true)
  return sandboxed ? [...fixed, "Sandbox"].sort() : fixed
}

/** What a change of torrc asks for. */
export const changeImpact = (before: Torrc, after: Torrc): ChangeImpact =>
  changedOptions(before, after).length === 0
    ? "none"
    : restartOptionsOf(before, after).length > 0
    ? "restart"
    : "reload"
