import { assert, describe, it } from "@effect/vitest"
import { openApiDocument } from "@patela/domain/api/openApiDocument"
import { Effect, Schema } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { apiRoutes, routeOf } from "../src/http/apiRoutes.ts"
import { eventually } from "./rig/eventually.ts"
import { rawTls } from "./rig/rawTls.ts"
import { servedApi } from "./rig/servedApi.ts"

const TIMEOUT = 120_000

const Problem = Schema.fromJsonString(Schema.Struct({
  type: Schema.String,
  status: Schema.Int,
  title: Schema.String,
  detail: Schema.optionalKey(Schema.String)
}))

const request = (line: string, headers: ReadonlyArray<string> = [], body = "") =>
  [`${line} HTTP/1.1`, "Host: x", "Connection: close", ...headers, "", body].join("\r\n")

const json = (body: string, type = "application/json") => [
  ...type === "" ? [] : [`Content-Type: ${type}`],
  `Content-Length: ${body.length}`
]

const post = (body: string, type?: string) => request("POST /public/auth", json(body, type), body)

const big = "x".repeat(70_000)

/** What is sent, and the status that it is answered with. */
const CASES: Readonly<Record<string, readonly [sent: string, status: number]>> = {
  "an unknown path": [request("GET /nothing"), 404],
  "an unknown path of a group": [request("POST /public/nothing", json("{}"), "{}"), 404],
  "the metrics": [request("GET /metrics"), 404],
  "an encoded path": [request("GET /public%2fauth"), 404],
  "a broken encoding": [request("GET /%"), 404],
  "no path": [request("GET *"), 404],
  "a long path": [request(`GET /${"a/".repeat(4000)}`), 404],
  "another method": [request("GET /public/auth"), 405],
  "another method, with a query": [request("DELETE /private/config/node?a=b"), 405],
  "OPTIONS": [request("OPTIONS /private/report"), 405],
  "a method that nobody has": [request("PROPFIND /private/events"), 405],
  "no token": [request("GET /private/events"), 401],
  "a token that is none": [request("GET /private/events", ["Authorization: Bearer x"]), 401],
  "another scheme": [request("GET /private/events", ["Authorization: Basic eDp4"]), 401],
  "no JSON": [post("{"), 400],
  "JSON that is no object": [post("[]"), 400],
  "an empty body": [post(""), 400],
  "bytes that are no UTF-8": [post("{\"ek_public\":\"\u00ff\u00fe\u0000\"}"), 400],
  "a field that is wrong": [post(`{"ek_public":"zz","ak_public":1}`), 400],
  "a body of another type": [post("{}", "text/plain"), 415],
  "a form": [post("a=b", "application/x-www-form-urlencoded"), 415],
  "a body of no type that there is": [post("{}", "\"/;;"), 415],
  "a body that is too large": [post(big), 413],
  "chunks that are too large": [
    request("POST /public/auth", ["Content-Type: application/json", "Transfer-Encoding: chunked"]) +
    `${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`,
    413
  ],
  "a broken chunk": [
    request("POST /public/auth", ["Content-Type: application/json", "Transfer-Encoding: chunked"]) + "zz\r\n",
    400
  ],
  "two lengths": [request("POST /public/auth", ["Content-Length: 2", "Content-Length: 3"], "{}"), 400],
  "a length and chunks": [request("POST /public/auth", ["Content-Length: 2", "Transfer-Encoding: chunked"], "{}"), 400],
  "a header that is too large": [request("GET /", [`X: ${"x".repeat(20_000)}`]), 431],
  "many headers": [request("GET /", Array.from({ length: 3000 }, (_, at) => `X-${at}: 1`)), 431],
  "no host": ["GET /openapi.json HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
  "another protocol": ["\u0016\u0003\u0001 hello\r\n\r\n", 400],
  "another version": ["GET / HTTP/3.7\r\nHost: x\r\n\r\n", 400],
  "an expectation": [request("POST /public/auth", ["Expect: miracles", "Content-Length: 2"], "{}"), 417]
}

describe("every answer that is an error", () => {
  it.live("law: is a problem that says its own status, and the server goes on", () =>
    Effect.gen(function*() {
      const { port, pem, ask } = yield* servedApi({ header: 5000, request: 5000, silence: 10_000 })
      for (const [name, [sent, status]] of Object.entries(CASES)) {
        const socket = yield* rawTls({ port, ca: pem })
        socket.write(sent)
        yield* eventually(name, () => socket.closed(), 30_000)
        const [head = "", body = ""] = socket.text().split(/\r\n\r\n(.*)/s)
        assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), name)
        assert.match(head, /^content-type: application\/problem\+json/im, name)
        assert.match(body, /^\{.*\}$/, name)
        const problem = yield* Schema.decodeEffect(Problem)(body)
        assert.strictEqual(problem.status, status, name)
        assert.isNotEmpty(problem.title, name)
        assert.notMatch(body, /node_modules|\.ts|at Object/, name)
        if (status === 405) {
          assert.match(head, /^allow: (GET, HEAD|POST)$/im)
        }
        if (status !== 401 && status !== 400) {
          assert.isNotEmpty(problem.detail ?? "", name)
        }
      }
      assert.strictEqual((yield* ask("/openapi.json")).status, 200)
    }), TIMEOUT)

  it.live("of HEAD has no body", () =>
    Effect.gen(function*() {
      const { port, pem } = yield* servedApi()
      const socket = yield* rawTls({ port, ca: pem })
      socket.write(request("HEAD /nothing"))
      yield* eventually("its end", () => socket.closed(), 30_000)
      assert.match(socket.text(), /^HTTP\/1\.1 404 [^]*\r\n\r\n$/)
    }), TIMEOUT)
})

describe("the OpenAPI document", () => {
  const checkedIn = readFileSync(fileURLToPath(new URL("../../../docs/schemas/openapi.json", import.meta.url)), "utf8")
  const Document = Schema.fromJsonString(Schema.Struct({
    openapi: Schema.String,
    paths: Schema.Record(
      Schema.String,
      Schema.Record(
        Schema.String,
        Schema.Struct({
          responses: Schema.Record(Schema.String, Schema.Unknown)
        })
      )
    )
  }))

  it("is the one that the code generates", () => {
    assert.strictEqual(checkedIn, openApiDocument(), "docs/schemas is not what the code says: npm run schemas")
  })

  it("has every path and method of the API, and what each may answer", () => {
    const { openapi, paths } = Schema.decodeSync(Document)(checkedIn)
    assert.match(openapi, /^3\.1\./)
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
    )
    const served = apiRoutes.filter(({ path }) => path !== "/openapi.json").flatMap(({ path, methods }) =>
      methods.filter((method) => method !== "HEAD").map((method) => `${method} ${path}`)
    )
    assert.deepStrictEqual(documented.toSorted(), served.toSorted())
    assert.includeMembers(Object.keys(paths["/public/auth"]?.["post"]?.responses ?? {}), [
      "200",
      "201",
      "400",
      "401",
      "403",
      "429"
    ])
  })

  it.live("is served", () =>
    Effect.gen(function*() {
      const { ask } = yield* servedApi()
      const { status, text, type } = yield* ask("/openapi.json")
      assert.deepStrictEqual([status, type], [200, "application/json"])
      assert.deepStrictEqual(JSON.parse(text), JSON.parse(checkedIn))
    }), TIMEOUT)
})

describe("a route", () => {
  it("is found by the path alone", () => {
    assert.deepStrictEqual(routeOf("/private/events?x=/public/auth#y")?.methods, ["GET", "HEAD"])
    for (const url of ["", "/", "//public/auth", "/public/auth/", "/public", "?/public/auth", "/PUBLIC/auth"]) {
      assert.isUndefined(routeOf(url), url)
    }
  })
})
