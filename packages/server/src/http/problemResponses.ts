import { Layer } from "effect"
import { HttpRouter } from "effect/http"
import { measured } from "../metrics/RequestMetrics.ts"
import { answerProblems, noEndpoint } from "./answerProblems.ts"

/** Measures every request, and answers with a problem where no endpoint answers. */
export const problemResponses = Layer.mergeAll(
  HttpRouter.middleware((app) => measured(answerProblems(app)), { global: true }),
  HttpRouter.add("*", "/*", noEndpoint)
)
