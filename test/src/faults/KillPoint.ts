import { Context, Effect, Schema } from "effect"
import * as fs from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"

/**
 * Where a run kills itself (SIGKILL): at a call number, counted from 0, of the writers of the agent (`service`), or at a
 * step number of what it does to the file system (`file`). `during`: so many milliseconds after the call began.
 */
export const KillPoint = Schema.Struct({
  level: Schema.Literals(["service", "file"]),
  at: Schema.Int,
  when: Schema.Literals(["before", "during", "after"]),
  delay: Schema.Int
})
export type KillPoint = typeof KillPoint.Type

/** What a run has called so far, by name. */
export interface Calls {
  readonly service: Array<string>
  readonly file: Array<string>
}

const die = (): void => {
  process.kill(process.pid, "SIGKILL")
}

/** Counts a call; kills where this is the one. Says whether it is to be killed afterwards. */
const reach = (calls: Calls, kill: KillPoint | null, level: KillPoint["level"], name: string): boolean => {
  const number = calls[level].push(name) - 1
  if (kill === null || kill.level !== level || number !== kill.at) return false
  if (kill.when === "before") die()
  if (kill.when === "during") setTimeout(die, kill.delay)
  return kill.when === "after"
}

/** The same services, each method of which counts. Pure but for the counting. */
export const countedServices = <Services>(
  context: Context.Context<Services>,
  counts: (key: string) => boolean,
  calls: Calls,
  kill: KillPoint | null
): Context.Context<Services> => {
  const around = (name: string, effect: Effect.Effect<unknown, unknown, unknown>) =>
    Effect.suspend(() => {
      const last = reach(calls, kill, "service", name)
      return last ? Effect.onExit(effect, () => Effect.sync(die)) : effect
    })
  const counted = (key: string, service: object): object =>
    new Proxy(service, {
      get: (target, property, receiver) => {
        const value: unknown = Reflect.get(target, property, receiver)
        const name = `${key.split("/").at(-1) ?? key}.${String(property)}`
        // What a writer reads is no write.
        if (property === "read") return value
        if (Effect.isEffect(value)) return around(name, value)
        if (typeof value !== "function") return value
        return (...args: ReadonlyArray<unknown>) => {
          const result: unknown = Reflect.apply(value, target, args)
          return Effect.isEffect(result) ? around(name, result) : result
        }
      }
    })
  return Context.makeUnsafe(
    new Map([...context.mapUnsafe].map(([key, service]) => [key, counts(key) ? counted(key, service) : service]))
  )
}

/** The functions of node:fs/promises that change something, and the methods of its file handles that do. */
const CHANGING = ["mkdir", "mkdtemp", "rename", "rm", "writeFile"] as const
const CHANGING_HANDLE = ["chmod", "chown", "writeFile"] as const

/** From now on every change of the file system by node:fs/promises counts, in this whole process. */
export const countFileSteps = async (calls: Calls, kill: KillPoint | null): Promise<void> => {
  await using handle = await fs.open("/dev/null", "r")
  const promises: unknown = process.getBuiltinModule("node:fs/promises")
  const prototype: unknown = Object.getPrototypeOf(handle)
  const patch = (owner: unknown, name: string) => {
    if (typeof owner !== "object" || owner === null) throw new Error("node:fs/promises is not what it was")
    const before: unknown = Reflect.get(owner, name)
    if (typeof before !== "function") throw new Error(`node:fs/promises has no ${name}`)
    Reflect.set(owner, name, async function(this: unknown, ...args: ReadonlyArray<unknown>) {
      const last = reach(calls, kill, "file", name)
      const result: unknown = await Reflect.apply(before, this, args)
      if (last) die()
      return result
    })
  }
  for (const name of CHANGING) patch(promises, name)
  for (const name of CHANGING_HANDLE) patch(prototype, name)
  syncBuiltinESMExports()
}
