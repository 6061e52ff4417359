import { Effect, FileSystem } from "effect"

/** What one process of tpm2-tools was started with. */
export interface RecordedTool {
  readonly name: string
  /** argv, joined by NUL as /proc/PID/cmdline has it. */
  readonly arguments: Buffer
  /** The environment, as /proc/PID/environ has it. */
  readonly environment: Buffer
}

/**
 * Puts a directory before PATH for the length of the scope. In it every tpm2-tool is a script that writes down what the
 * kernel says its argv and environment are, and becomes the real tool. Gives what was run since the last time it was asked.
 */
export const recordedTools = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "recorded-tools-" })
  const records = yield* files.makeTempDirectoryScoped({ prefix: "tool-records-" })
  for (const name of (yield* files.readDirectory("/usr/bin")).filter((it) => it.startsWith("tpm2_"))) {
    const script = `#!/bin/sh
at=${records}/$(date +%s%N)-$$-${name}
cat /proc/$$/cmdline > $at.argv
cat /proc/$$/environ > $at.env
exec /usr/bin/${name} "$@"
`
    yield* files.writeFileString(`${directory}/${name}`, script, { mode: 0o755 })
  }
  const path = process.env["PATH"]
  yield* Effect.acquireRelease(
    Effect.sync(() => process.env["PATH"] = `${directory}:${path}`),
    () => Effect.sync(() => process.env["PATH"] = path)
  )
  return Effect.gen(function*() {
    const found: Array<RecordedTool> = []
    for (const file of (yield* files.readDirectory(records)).toSorted().filter((name) => name.endsWith(".argv"))) {
      const base = `${records}/${file.slice(0, -".argv".length)}`
      found.push({
        name: file.split("-").slice(2).join("-").slice(0, -".argv".length),
        arguments: Buffer.from(yield* files.readFile(`${base}.argv`)),
        environment: Buffer.from(yield* files.readFile(`${base}.env`))
      })
      yield* files.remove(`${base}.argv`)
      yield* files.remove(`${base}.env`)
    }
    return found
  })
})
