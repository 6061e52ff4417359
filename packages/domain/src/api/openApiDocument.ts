import { OpenApi } from "effect/http-api"
import { PatelaApi } from "./PatelaApi.ts"

/** The OpenAPI document of the API as its file has it; the server answers the same at /openapi.json. */
export const openApiDocument = (): string => `${JSON.stringify(OpenApi.fromApi(PatelaApi), null, 2)}\n`
