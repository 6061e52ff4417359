import { PatelaApi } from "@patela/domain/api/PatelaApi"

/** Where the documents of the API are served. */
export const OPENAPI_PATH = "/openapi.json"

/** A path of the API and the methods that it has; GET answers HEAD too (RFC 9110, section 9.3.2). */
export interface ApiRoute {
  readonly path: string
  readonly methods: ReadonlyArray<string>
}

const methodsOf = new Map<string, Array<string>>([[OPENAPI_PATH, ["GET"]]])
for (const group of Object.values(PatelaApi.groups)) {
  for (const { method, path } of Object.values(group.endpoints)) {
    methodsOf.set(path, [...methodsOf.get(path) ?? [], method])
  }
}

export const apiRoutes: ReadonlyArray<ApiRoute> = [...methodsOf].map(([path, methods]) => ({
  path,
  methods: methods.includes("GET") ? [...methods, "HEAD"] : methods
}))

const byPath = new Map(apiRoutes.map((route) => [route.path, route]))

/** The route of a request's target, which may have a query. No path of the API has parameters. */
export const routeOf = (url: string): ApiRoute | undefined => {
  const end = url.search(/[?#]/)
  return byPath.get(end === -1 ? url : url.slice(0, end))
}
