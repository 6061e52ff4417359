import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import { type PostgresCluster, postgresCluster } from "./PostgresCluster.ts"
import { makeTemplate, POSTGRES_VARIABLE } from "./testDatabase.ts"

/** Has every `testDatabase` of a test file be on one PostgreSQL of the file's own. Returns how to ask for that. */
export const postgresForFile = (): () => PostgresCluster => {
  const scope = Scope.makeUnsafe()
  let cluster: PostgresCluster | undefined
  beforeAll(() =>
    Effect.runPromise(Effect.gen(function*() {
      cluster = yield* Scope.provide(postgresCluster, scope)
      const admin = cluster.url("postgres")
      yield* makeTemplate(admin)
      process.env[POSTGRES_VARIABLE] = admin
    }))
  )
  afterAll(() => {
    delete process.env[POSTGRES_VARIABLE]
    return Effect.runPromise(Scope.close(scope, Exit.void))
  })
  return () => {
    if (cluster === undefined) throw new Error("PostgreSQL is started before the first test, and not earlier")
    return cluster
  }
}
