import { Effect, FileSystem, Stdio, Stream } from "effect"
import { Argument } from "effect/cli"
import { CommandFailed } from "./CommandFailed.ts"

export const torrcFileArgument = Argument.String("file").pipe(Argument.withDescription("The torrc; - reads stdin"))

const fromStdin = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  return yield* Stream.mkString(Stream.decodeText(stdio.stdin))
})

/** The text of a file, or of stdin for `-`. */
export const readTorrc = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* (file === "-" ? fromStdin : fs.readFileString(file)).pipe(
    Effect.mapError(({ reason }) => new CommandFailed({ message: `${file} cannot be read: ${reason._tag}` }))
  )
})
