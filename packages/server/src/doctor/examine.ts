import { Clock, Effect, FileSystem, Layer } from "effect"
import { StoreServicesNoDatabase } from "../commands/StoreServices.ts"
import { readCertificate } from "../http/readCertificate.ts"
import type { Database } from "../store/DatabaseUrl.ts"
import { Notices } from "../store/Notices.ts"
import { settingsDatabase } from "../store/settingsDatabase.ts"
import * as SqliteClient from "../store/SqliteClient.ts"
import { unmigrated } from "../store/Store.ts"
import { certificateFindings } from "./certificateFindings.ts"
import { databaseFileFindings, databaseFindings } from "./databaseFindings.ts"
import { wrong } from "./Finding.ts"
import { fleetFindings } from "./fleetFindings.ts"
import { modeFinding } from "./modeFinding.ts"
import { tokenKeyFindings } from "./tokenKeyFindings.ts"

/** What cannot be read from the environment: the paths of PEM files, empty where they are not named, and the nodes' name. */
export interface Examined {
  readonly cert: string
  readonly key: string
  readonly name: string | undefined
}

const certificates = Effect.fnUntraced(
  function*(input: Examined) {
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
    const found = certificateFindings({ ...read, now, name })
    return [...found, modeFinding("certificate", key, mode, "secret")]
  },
  Effect.catchTag(
    "CertificateRefused",
    ({ message }) => Effect.succeed([wrong("certificate", message, "Name files that the server's user may read")])
  )
)

const unreadable = (message: string, advice: string) => [wrong("database", `it cannot be read: ${message}`, advice)]

/** What is in a database. */
const content = Effect.gen(function*() {
  const { current, findings } = yield* databaseFindings
  return current ? [...findings, ...(yield* fleetFindings)] : findings
})

/** Opened to be read: a doctor makes no database, and brings none to this version. */
const sqliteFile = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* Effect.orDie(fs.exists(path)))) {
    return [wrong("database", `there is none at ${path}`, "The first command makes it; or patela restore FILE")]
  }
  const files = yield* databaseFileFindings(path)
  const advice = "Put a backup in its place: patela restore FILE --replace"
  const found = yield* content.pipe(
    Effect.provide(
      Layer.provideMerge(StoreServicesNoDatabase, Layer.merge(SqliteClient.layerToRead(path), Notices.polling))
    ),
    Effect.catchTags({
      SqlError: ({ reason }) => Effect.succeed(unreadable(reason.message, advice)),
      StoreFailed: ({ message }) => Effect.succeed(unreadable(message, advice))
    })
  )
  return [...files, ...found]
})

/** As it is: no migration is run. */
const postgres = (found: Database) =>
  content.pipe(
    Effect.provide(Layer.provideMerge(StoreServicesNoDatabase, unmigrated(found))),
    Effect.catchTag("StoreFailed", ({ message }) =>
      Effect.succeed(
        unreadable(message, "See that it is the database of Patela, and that the user of its URL owns it")
      ))
  )

const database = Effect.gen(function*() {
  const found = yield* settingsDatabase
  return yield* found.engine === "sqlite" ? sqliteFile(found.path) : postgres(found)
}).pipe(
  Effect.catchTags({
    DatabaseUrlRefused: ({ message }) =>
      Effect.succeed([wrong("database", message, "Set it as for the server; the rest was not looked at")]),
    StoreUnusable: ({ message }) =>
      Effect.succeed([wrong("database", message, "No server starts before; the rest was not looked at")])
  })
)

/** Looks at everything that a server in this environment needs, and changes nothing. */
export const examine = Effect.fn("examine")(function*(examined: Examined) {
  const parts = yield* Effect.all([certificates(examined), tokenKeyFindings, database])
  return parts.flat()
})
