import { HttpApi, HttpApiMiddleware, OpenApi } from "effect/http-api"
import { PrivateApi } from "./PrivateApi.ts"
import { PublicApi } from "./PublicApi.ts"

/** The HTTP API as a value: the server implements it, the agent's client is made from it. */
export class PatelaApi extends HttpApi.make("patela")
  .add(PublicApi, PrivateApi)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotateMerge(OpenApi.annotations({
    title: "Patela",
    version: "0.1.0",
    description:
      "What nodes say to their server and are told by it. Every error is application/problem+json (RFC 9457).",
    license: { name: "BSD-3-Clause" }
  }))
{}
