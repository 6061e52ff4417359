import type { Kind, WatchSignal } from "@patela/domain/reconciler/Kind"
import { Effect, Layer, Stream } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { expect } from "vitest"
import { SOON, until } from "../until.ts"
import { hostOf, monitorOf, type Read, readers, type Write, writers } from "./RelayNetwork.ts"

export type NetworkKind = Kind<Read, Write>

/** Runs a test on a namespace, with monitors that work. */
export const onHost = (namespace: () => string) => <A, E>(effect: Effect.Effect<A, E, Read | Write>) =>
  Effect.suspend(() =>
    effect.pipe(
      Effect.provide(
        Layer.merge(readers, writers).pipe(
          Layer.provide(hostOf(namespace())),
          Layer.merge(monitorOf(namespace()))
        )
      )
    )
  )

/** Waits until nothing was heard for two seconds. */
export const untilQuiet = Effect.fnUntraced(function*(heard: ReadonlyArray<ReadonlyArray<unknown>>) {
  const count = () => heard.reduce((sum, { length }) => sum + length, 0)
  for (let before = -1; before !== count();) {
    before = count()
    yield* Effect.sleep("2 seconds")
  }
})

/** A kind's signals from now on, the first of which says that it listens. */
export const listening = Effect.fnUntraced(function*(kind: NetworkKind) {
  const heard: Array<WatchSignal> = []
  const fiber = yield* Effect.forkScoped(
    Stream.runForEach(kind.watch, (signal) => Effect.sync(() => heard.push(signal)))
  )
  yield* until(() => heard.length > 0, SOON)
  expect(heard).toEqual(["look again"])
  heard.length = 0
  return { heard, fiber }
})

/** The processes below this one that run a program as a monitor. */
export const monitors = (program: string): ReadonlyArray<number> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")
      const parent = /\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]
      return argv[0] === program && argv.includes("monitor") && Number(parent) === process.pid
    } catch {
      return false
    }
  })

export const theOne = (program: string): number => {
  const [pid, ...more] = monitors(program)
  if (pid === undefined || more.length > 0) throw new Error(`one monitor expected, not ${monitors(program).join()}`)
  return pid
}
