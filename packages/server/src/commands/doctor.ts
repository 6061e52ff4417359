import { Clock, Config, Console, Effect, FileSystem, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { certificateFindings } from "../doctor/certificateFindings.ts"
import { databaseFileFindings, databaseFindings } from "../doctor/databaseFindings.ts"
import { type Finding, gravest, type Level, wrong } from "../doctor/Finding.ts"
import { fleetFindings } from "../doctor/fleetFindings.ts"
import { modeFinding } from "../doctor/modeFinding.ts"
import { tokenKeyFindings } from "../doctor/tokenKeyFindings.ts"
import { readCertificate } from "../http/readCertificate.ts"
import { Notices } from "../store/Notices.ts"
import * as SqliteClient from "../store/SqliteClient.ts"
import { colour } from "./colour.ts"
import { databaseFile } from "./databaseFile.ts"
import { exitWith } from "./ExitWith.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServicesNoDatabase } from "./StoreServices.ts"

/** 2 is a wrong command line, as of every command. */
const EXIT_CODES: Readonly<Record<Level, number>> = { fine: 0, wrong: 1, warning: 3 }

const COLOURS = { fine: "green", warning: "yellow", wrong: "red" } as const

const fileOf = (flag: Option.Option<string>, variable: string) =>
  Option.isSome(flag)
    ? Effect.succeed(flag.value)
    : Effect.map(Effect.orDie(Config.option(Config.String(variable))), Option.getOrElse(() => ""))

const certificates = Effect.fnUntraced(
  function*(input: { readonly cert: string; readonly key: string; readonly name: Option.Option<string> }) {
    const { cert, key, name } = input
    if (cert === "" || key === "") {
      const message = "it is not named: the server needs a certificate and its key"
      return [
        wrong(
          "certificate",
          message,
          "Give --cert FILE and --key FILE, or set PATELA_SERVER_CERT and PATELA_SERVER_KEY"
        )
      ]
    }
    const read = yield* readCertificate(cert, key)
    const fs = yield* FileSystem.FileSystem
    const { mode } = yield* Effect.orDie(fs.stat(key))
    const now = yield* Clock.currentTimeMillis
    const found = certificateFindings({ ...read, now, name: Option.getOrUndefined(name) })
    return [...found, modeFinding("certificate", key, mode, "secret")]
  },
  Effect.catchTag(
    "CertificateRefused",
    ({ message }) => Effect.succeed([wrong("certificate", message, "Name files that the server's user may read")])
  )
)

/** Opened to be read: a doctor makes no database, and brings none to this version. */
const database = Effect.gen(function*() {
  const path = yield* databaseFile("pg_amcheck and pg_dump look after it")
  const fs = yield* FileSystem.FileSystem
  if (!(yield* Effect.orDie(fs.exists(path)))) {
    return [wrong("database", `there is none at ${path}`, "The first command makes it; or patela restore FILE")]
  }
  const files = yield* databaseFileFindings(path)
  const content = yield* Effect.gen(function*() {
    const { current, findings } = yield* databaseFindings
    return current ? [...findings, ...(yield* fleetFindings)] : findings
  }).pipe(
    Effect.provide(
      Layer.provideMerge(StoreServicesNoDatabase, Layer.merge(SqliteClient.layerToRead(path), Notices.polling))
    ),
    Effect.catchTags({
      SqlError: ({ reason }) => Effect.succeed([damaged(reason.message)]),
      StoreFailed: ({ message }) => Effect.succeed([damaged(message)])
    })
  )
  return [...files, ...content]
}).pipe(
  Effect.catchTags({
    CommandFailed: ({ message }) => Effect.succeed([wrong("database", message, "The rest was not looked at")]),
    DatabaseUrlRefused: ({ message }) => Effect.succeed([wrong("database", message, "Set it as for the server")])
  })
)

const damaged = (why: string): Finding =>
  wrong("database", `it cannot be read: ${why}`, "Put a backup in its place: patela restore FILE --replace")

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
      name
    }
    const parts = yield* Effect.all([certificates(files), tokenKeyFindings, database])
    const findings = parts.flat()
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
