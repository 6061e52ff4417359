import { Config, Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { examine } from "../doctor/examine.ts"
import { type Finding, gravest, type Level } from "../doctor/Finding.ts"
import { colour } from "./colour.ts"
import { exitWith } from "./ExitWith.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"

/** 2 is a wrong command line, as of every command. */
const EXIT_CODES: Readonly<Record<Level, number>> = { fine: 0, wrong: 1, warning: 3 }

const COLOURS = { fine: "green", warning: "yellow", wrong: "red" } as const

const fileOf = (flag: Option.Option<string>, variable: string) =>
  Option.isSome(flag)
    ? Effect.succeed(flag.value)
    : Effect.map(Effect.orDie(Config.option(Config.String(variable))), Option.getOrElse(() => ""))

const text = (findings: ReadonlyArray<Finding>): string => {
  const width = Math.max(...findings.map(({ check }) => check.length))
  return findings.map(({ check, level, message, advice }) =>
    `${colour(COLOURS[level], level.padEnd("warning".length))}  ${check.padEnd(width)}  ${message}` +
    (advice === null ? "" : `\n${" ".repeat("warning".length + width + 4)}${advice}`)
  ).join("\n")
}

export const doctor = Command.make(
  "doctor",
  {
    cert: Flag.String("cert").pipe(
      Flag.withDescription("The server's certificate chain, PEM (PATELA_SERVER_CERT)"),
      Flag.optional
    ),
    key: Flag.String("key").pipe(Flag.withDescription("Its private key, PEM (PATELA_SERVER_KEY)"), Flag.optional),
    name: Flag.String("name").pipe(
      Flag.withDescription("The host that nodes reach the server by: the certificate must be for it"),
      Flag.optional
    ),
    json: jsonFlag
  },
  Effect.fn("doctor")(function*({ cert, key, name, json }) {
    const files = {
      cert: yield* fileOf(cert, "PATELA_SERVER_CERT"),
      key: yield* fileOf(key, "PATELA_SERVER_KEY"),
      name: Option.getOrUndefined(name)
    }
    const findings = yield* examine(files)
    const level = gravest(findings)
    yield* json ? printJson({ level, findings }) : Console.log(text(findings))
    yield* exitWith(EXIT_CODES[level])
  })
).pipe(
  Command.withDescription(
    "Look at what the server needs, in the environment that it has, and say what to do. Changes nothing. Ends with 0 where " +
      "all is fine, 3 with warnings alone, 1 where something is wrong"
  ),
  Command.withShortDescription("Look at what the server needs, and say what to do"),
  Command.withExamples([
    {
      command: "patela doctor --cert cert.pem --key key.pem --name patela.example.org",
      description: "Also of the certificate's name"
    },
    {
      command: "patela doctor --json",
      description: "For a monitor; files from PATELA_SERVER_CERT and PATELA_SERVER_KEY"
    }
  ])
)
