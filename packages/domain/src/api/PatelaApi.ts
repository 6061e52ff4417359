import { HttpApi, HttpApiMiddleware, OpenApi } from "effect/http-api"
import { PrivateApi } from "./PrivateApi.ts"
import { PublicApi } from "./PublicApi.ts"

/** The HTTP API as a value: the server implements it, the agent's client is made from it. */
export class PatelaApi extends HttpApi.make("patela")
  .add(PublicApi, PrivateApi)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotateMerge(OpenApi.annotations({ title: "Patela" }))
{}
