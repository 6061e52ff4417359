import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result, Schema } from "effect"
import { writeFileSync } from "node:fs"
import { withPassword } from "../src/store/databasePassword.ts"
import { databaseOf, holdsPassword } from "../src/store/DatabaseUrl.ts"
import { settingsDatabase } from "../src/store/settingsDatabase.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"
import { environment } from "./rig/TestApi.ts"

const SECRET = "s3cr3t-of-the-database"

const parsed = (url: string) => databaseOf("DATABASE_URL", Redacted.make(url))

describe("DATABASE_URL", () => {
  it("names a file", () => {
    for (
      const [url, path] of [["sqlite:a.db", "a.db"], ["sqlite:/a/b.db", "/a/b.db"], ["sqlite:///a/b", "/a/b"]] as const
    ) {
      assert.deepStrictEqual(Result.getOrThrow(parsed(url)), { engine: "sqlite", path })
    }
  })

  it("names a PostgreSQL database, by either scheme", () => {
    for (
      const url of [
        "postgres://localhost/d",
        "postgresql://u:p@h:5433/d?sslmode=verify-full",
        "postgres://u@[::1]/d",
        "postgres:///d?host=/run/postgresql",
        "postgres://u@127.0.0.1:1/d",
        "postgres://u:a,b@localhost/d?application_name=c,d"
      ]
    ) {
      const database = Result.getOrThrow(parsed(url))
      assert.strictEqual(database.engine === "postgres" ? Redacted.value(database.url) : "", url)
    }
  })

  it.prop("is never repeated in what is wrong with it", [Schema.String], ([text]) => {
    for (const scheme of ["", "postgres:", "postgres://", "postgres://u:", "sqlite", "mysql://u:"]) {
      const answer = parsed(`${scheme}${text}${SECRET}`)
      if (Result.isFailure(answer)) assert.notInclude(answer.failure.message, SECRET)
    }
  })

  it("is refused with what is wrong and an example", () => {
    const refusals = [
      [undefined, "is not set"],
      ["", "is not set"],
      ["mysql://h/d", "begins with neither"],
      ["postgres://u:a/b@h/d", "is no URL"],
      ["postgres://u:p@h", "names no database"],
      ["postgres://u:p@h/", "names no database"],
      ["postgres://u:p@h/d", "does not say sslmode"],
      ["postgres://u:p@2001/d?host=192.0.2.1", "does not say sslmode"],
      ["postgres://u:p@[2001:db8::1]/d?application_name=x", "does not say sslmode"],
      ["postgres://u:p@one,two/d?sslmode=disable", "names several hosts"],
      ["postgres://u:p@one:5432,two:5433/d?sslmode=disable", "names several hosts"],
      ["postgres:///d?host=one,two&sslmode=disable", "names several hosts"],
      ["sqlite:", "names no file"]
    ] as const
    for (const [url, why] of refusals) {
      const answer = databaseOf("DATABASE_URL", url === undefined ? undefined : Redacted.make(url))
      const message = Result.isFailure(answer) ? answer.failure.message : "taken"
      assert.include(message, why)
      assert.include(message, "postgres://patela@db.example.org/patela")
    }
  })

  it("has a password in it wherever one can be", () => {
    for (const url of ["postgres://u:p@localhost/d", "postgres://u@localhost/d?password=p"]) {
      assert.isTrue(holdsPassword(Redacted.make(url)), url)
    }
    for (const url of ["postgres://u@localhost/d", "postgres://localhost/d?sslmode=require"]) {
      assert.isFalse(holdsPassword(Redacted.make(url)), url)
    }
  })

  it.effect.prop(
    "is given the password of the environment or its file where it has none, whatever is in it",
    [Schema.String.pipe(Schema.check(Schema.isMinLength(1)))],
    ([text]) =>
      Effect.gen(function*() {
        const password = text.toWellFormed().replaceAll(/[\u0000\r\n]/g, "x")
        const file = `${yield* temporaryDirectory}/password`
        writeFileSync(file, `${password}\n`)
        const given = Effect.fnUntraced(function*(url: string, setting: string) {
          const database = yield* Effect.fromResult(parsed(url))
          const complete = yield* withPassword(database).pipe(
            Effect.provide([environment({ PATELA_DATABASE_PASSWORD: setting }), NodeServices.layer])
          )
          return complete.engine === "postgres"
            ? decodeURIComponent(new URL(Redacted.value(complete.url)).password)
            : ""
        })
        assert.strictEqual(yield* given("postgres://u@localhost/d?sslmode=require", `file:${file}`), password)
        if (!password.startsWith("file:")) {
          assert.strictEqual(yield* given("postgres://u@localhost/d", password), password)
        }
        assert.strictEqual(yield* given("postgres://u:own@localhost/d", password), "own")
      })
  )

  it.effect("is refused where the password's file cannot be read", () =>
    Effect.gen(function*() {
      const database = yield* Effect.fromResult(parsed("postgres://u@localhost/d"))
      const refused = yield* Effect.flip(withPassword(database)).pipe(
        Effect.provide([environment({ PATELA_DATABASE_PASSWORD: "file:/nothing/there" }), NodeServices.layer])
      )
      assert.include(refused.message, "PATELA_DATABASE_PASSWORD names the file /nothing/there")
    }))

  it.effect("goes with the one of PostgreSQL itself, where it is that of a pooler", () =>
    Effect.gen(function*() {
      const settings = (url: string, direct: string) =>
        settingsDatabase.pipe(
          Effect.provide([
            environment({ DATABASE_URL: url, PATELA_DATABASE_DIRECT_URL: direct, PATELA_DATABASE_PASSWORD: SECRET }),
            NodeServices.layer
          ])
        )
      const database = yield* settings("postgres://u@localhost:6432/d", "postgres://u@localhost/d")
      assert.deepStrictEqual(
        database.engine === "postgres" ? [database.url, database.direct].map((url) => url && Redacted.value(url)) : [],
        [`postgres://u:${SECRET}@localhost:6432/d`, `postgres://u:${SECRET}@localhost/d`]
      )
      for (
        const [url, direct, why] of [
          ["sqlite:a.db", "postgres://u@localhost/d", "PATELA_DATABASE_DIRECT_URL is for a DATABASE_URL of PostgreSQL"],
          ["postgres://u@localhost:6432/d", "sqlite:a.db", "PATELA_DATABASE_DIRECT_URL is for a DATABASE_URL"],
          ["postgres://u@localhost:6432/d", "postgres://u@db/d", "PATELA_DATABASE_DIRECT_URL goes to another machine"],
          ["postgres://u@db:6432/d", "postgres://u@localhost/d", "DATABASE_URL goes to another machine"]
        ] as const
      ) {
        const refused = yield* Effect.flip(settings(url, direct))
        assert.include(refused.message, why)
        assert.notInclude(refused.message, SECRET)
      }
    }))
})
