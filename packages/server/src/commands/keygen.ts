import { Console, Effect, Option, Redacted } from "effect"
import { Command, Flag } from "effect/cli"
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs"
import { newTokenKey } from "../session/TokenKey.ts"
import { CommandFailed } from "./CommandFailed.ts"

/** Never over a file that is there: losing the old key ends every session. */
const writeNew = (path: string, text: string): void => {
  const file = openSync(path, "wx", 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

export const keygen = Command.make(
  "keygen",
  {
    out: Flag.String("out").pipe(
      Flag.withDescription("Write the key to this new file, mode 0600, instead of printing it"),
      Flag.optional
    )
  },
  Effect.fn("keygen")(function*({ out }) {
    const key = yield* newTokenKey
    // Printing the secret is what the command is for when no file is named.
    if (Option.isNone(out)) return yield* Console.log(Redacted.value(key))
    const path = out.value
    yield* Effect.try({
      try: () => writeNew(path, `${Redacted.value(key)}\n`),
      catch: (error) =>
        new CommandFailed({
          message: error instanceof Error && "code" in error && error.code === "EEXIST"
            ? `${path} exists already and is left as it is. Name another file`
            : `${path} cannot be written. Check that its folder exists and that you may write in it`
        })
    })
    yield* Console.log(`The key is in ${path}. Start the server with PATELA_BISCUIT_KEY=file:${path}`)
  })
).pipe(
  Command.withDescription("Make a key that signs session tokens"),
  Command.withExamples([
    { command: "patela keygen --out /etc/patela/biscuit.key", description: "Into a file that only you can read" },
    { command: "export PATELA_BISCUIT_KEY=$(patela keygen)", description: "Into the environment" }
  ])
)
