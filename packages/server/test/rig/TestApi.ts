import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { ConfigProvider, Context, Deferred, Effect, Layer, Option, Schema, type Scope } from "effect"
import { Headers, HttpEffect, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { SqlClient } from "effect/sql"
import { PoolSettings } from "../../src/allocate/PoolSettings.ts"
import { StoreServicesNoDatabase } from "../../src/commands/StoreServices.ts"
import { routes } from "../../src/http/HttpsServer.ts"
import { sessionServices } from "../../src/http/serve.ts"
import { AuthLimits } from "../../src/limits/AuthLimits.ts"
import { WaitingBound } from "../../src/nodes/WaitingBound.ts"
import { newTokenKey, TokenKey } from "../../src/session/TokenKey.ts"
import { layerOf } from "../../src/store/Store.ts"
import { EndorsementRoots } from "../../src/trust/EndorsementRoots.ts"
import { tableNames } from "./tableNames.ts"
import { temporaryDirectory } from "./temporaryDirectory.ts"
import { testDatabase } from "./testDatabase.ts"
import { webAnswers } from "./webAnswers.ts"

export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly text: string
  readonly etag: string | undefined
  readonly retryAfter: string | undefined
}

/** One request: a body that is a string goes out as it is, anything else as JSON. */
export interface Ask {
  readonly path: string
  readonly body?: unknown
  readonly token?: string
  readonly ifNoneMatch?: string
  /** Where it comes from. */
  readonly from?: string
}

/** A stream of events, read when the test says so. */
export interface OpenStream {
  readonly status: number
  readonly type: string | undefined
  /** The next piece of text, undefined at the end. */
  readonly next: Effect.Effect<string | undefined>
}

/** The whole API over a real database, called without a socket so that TestClock is its clock. */
export class TestApi extends Context.Service<TestApi, {
  readonly ask: (ask: Ask) => Effect.Effect<Answer>
  /** Opens /private/events; closed with the scope. */
  readonly open: (token: string) => Effect.Effect<OpenStream, never, Scope.Scope>
  /** Every row of every table, the last seen times left out: what a refused request must not change. */
  readonly rows: Effect.Effect<string>
}>()("@patela/server/test/TestApi") {}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const app = yield* HttpRouter.toHttpEffect(Layer.provide(routes, webAnswers))
  const requestOf = (request: Request, from?: string) =>
    HttpServerRequest.fromWeb(request).modify({ remoteAddress: Option.fromUndefinedOr(from) })
  const respond = (request: Request) =>
    app.pipe(
      Effect.provideService(HttpServerRequest.HttpServerRequest, requestOf(request)),
      Effect.scoped,
      Effect.orDie
    )
  // As a server does it, with what is still done to an answer just before it goes out.
  const answered = Effect.fnUntraced(function*(request: Request, from?: string) {
    const sent = yield* Deferred.make<HttpServerResponse.HttpServerResponse>()
    yield* HttpEffect.toHandled(app, (_, response) => Deferred.succeed(sent, response)).pipe(
      Effect.provideService(HttpServerRequest.HttpServerRequest, requestOf(request, from)),
      Effect.ignore
    )
    return yield* Deferred.await(sent)
  })
  const open = Effect.fnUntraced(function*(token: string) {
    const headers = { authorization: `Bearer ${token}` }
    const response = yield* respond(new Request("http://server/private/events", { headers }))
    const body = HttpServerResponse.toWeb(response, { context: yield* Effect.context() }).body
    if (body === null) return yield* Effect.die("the answer has no body")
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    yield* Effect.addFinalizer(() => Effect.promise(() => reader.cancel()))
    return {
      status: response.status,
      type: Headers.get(response.headers, "content-type").pipe(Option.getOrUndefined),
      next: Effect.map(Effect.promise(() => reader.read()), ({ value }) => value)
    }
  })
  const ask = Effect.fnUntraced(function*({ path, body, token, ifNoneMatch, from }: Ask) {
    const headers = {
      "content-type": "application/json",
      ...token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch }
    }
    const request = new Request(`http://server${path}`, {
      headers,
      ...body === undefined ? {} : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }
    })
    const response = yield* answered(request, from)
    const text = yield* Effect.promise(() => HttpServerResponse.toWeb(response).text())
    const parsed = text === ""
      ? null
      : yield* Effect.orDie(Schema.decodeEffect(Schema.fromJsonString(Schema.Unknown))(text))
    return {
      status: response.status,
      body: parsed,
      text,
      etag: Option.getOrUndefined(Headers.get(response.headers, "etag")),
      retryAfter: Option.getOrUndefined(Headers.get(response.headers, "retry-after"))
    }
  })
  const tables = yield* Effect.orDie(tableNames(sql))
  const rows = Effect.forEach(
    tables,
    (table) =>
      Effect.map(
        sql`SELECT * FROM ${sql(table)} ORDER BY 1`,
        (found) => found.map((row) => ({ ...row, last_seen: "" }))
      )
  ).pipe(Effect.map((all) => JSON.stringify(all)), Effect.orDie)
  return TestApi.of({ ask, open, rows })
})

/** Settings as an operator's environment would give them. */
export const environment = (variables: Readonly<Record<string, string>>) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(variables))

export const poolVariables = { PATELA_FIRST_V4: "192.0.2.10", PATELA_PREFIX_V4: "24" }

/** Everything that the routes need. */
export const apiServices = (variables: Readonly<Record<string, string>> = poolVariables) => {
  const store = Layer.unwrap(
    Effect.map(Effect.flatMap(temporaryDirectory, testDatabase), ({ database }) => layerOf(database))
  )
  const key = Layer.effect(
    TokenKey,
    Effect.map(newTokenKey, (made) => TokenKey.of({ private: made, old: [] }))
  )
  const settings = Layer.mergeAll(AuthLimits.layer, EndorsementRoots.layer, PoolSettings.layer, WaitingBound.layer)
    .pipe(
      Layer.provide(environment(variables))
    )
  return sessionServices.pipe(
    Layer.provideMerge(Layer.mergeAll(settings, key)),
    Layer.provideMerge(StoreServicesNoDatabase),
    Layer.provideMerge(store),
    Layer.provideMerge(NodeHttpServer.layerHttpServices)
  )
}

/** The API itself, with the repositories left visible to the test. */
export const testApi = (variables: Readonly<Record<string, string>> = poolVariables) =>
  Layer.provideMerge(Layer.effect(TestApi, make), apiServices(variables))
