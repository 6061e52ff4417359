import { Clock, Effect, FileSystem, Layer } from "effect"
import { StoreServicesNoDatabase } from "../commands/StoreServices.ts"
import { readCertificate } from "../http/readCertificate.ts"
import { databaseFile } from "../store/databaseFile.ts"
import { Notices } from "../store/Notices.ts"
import * as SqliteClient from "../store/SqliteClient.ts"
import { certificateFindings } from "./certificateFindings.ts"
import { databaseFileFindings, databaseFindings } from "./databaseFindings.ts"
import { type Finding, wrong } from "./Finding.ts"
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
  Effect.catchTag(
    "DatabaseUrlRefused",
    ({ message }) =>
      Effect.succeed([wrong("database", message, "Set it as for the server; the rest was not looked at")])
  )
)

const damaged = (why: string): Finding =>
  wrong("database", `it cannot be read: ${why}`, "Put a backup in its place: patela restore FILE --replace")

/** Looks at everything that a server in this environment needs, and changes nothing. */
export const examine = Effect.fn("examine")(function*(examined: Examined) {
  const parts = yield* Effect.all([certificates(examined), tokenKeyFindings, database])
  return parts.flat()
})
