import { Console, Effect, type Exit, Logger } from "effect"
import { vi } from "vitest"

const CONSOLE = ["debug", "info", "log", "warn", "error"] as const

/** How an effect ended, with all that others could see of it meanwhile: its log, its console, its output and error. */
export const overheard = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<{ readonly exit: Exit.Exit<A, E>; readonly heard: ReadonlyArray<string> }, never, R> => {
  const heard: Array<string> = []
  const hear = (...said: ReadonlyArray<unknown>) => void heard.push(...said.map(textOf))
  const log = Logger.make<unknown, void>(({ message }) => hear(message))
  return Effect.acquireUseRelease(
    Effect.sync(() => [
      ...CONSOLE.map((method) => vi.spyOn(console, method).mockImplementation(hear)),
      ...[process.stdout, process.stderr].map((stream) =>
        vi.spyOn(stream, "write").mockImplementation((chunk) => {
          hear(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1"))
          return true
        })
      )
    ]),
    () =>
      effect.pipe(
        Effect.provide(Logger.layer([log])),
        Effect.provideService(Console.Console, console),
        Effect.exit,
        Effect.map((exit) => ({ exit, heard }))
      ),
    (spies) =>
      Effect.sync(() => {
        for (const spy of spies) spy.mockRestore()
      })
  )
}

const textOf = (said: unknown): string =>
  typeof said === "string" ? said : `${said instanceof Error ? said.stack : ""} ${JSON.stringify(said)}`

/** The texts that would give bytes away: hex, base64, as they are, and as numbers. */
export const textsOf = (secret: Uint8Array): ReadonlyArray<string> => {
  const bytes = Buffer.from(secret)
  const hex = bytes.toString("hex")
  return [hex, hex.toUpperCase(), bytes.toString("base64"), bytes.toString("latin1"), bytes.join(",")]
}
