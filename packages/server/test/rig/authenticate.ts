import { Effect, Schema } from "effect"
import { Administration } from "../../src/nodes/Administration.ts"
import { node1 } from "./Fleet.ts"
import { SealedAnswer } from "./SealedAnswer.ts"
import { type SoftwareTpm, softwareTpm } from "./SoftwareTpm.ts"
import { TestApi } from "./TestApi.ts"

/** The answer to POST /public/auth, with its token opened. */
export const authenticate = Effect.fnUntraced(function*(tpm: SoftwareTpm) {
  const { ask } = yield* TestApi
  const answer = yield* ask({ path: "/public/auth", body: tpm.request })
  const sealed = yield* Effect.orDie(Schema.decodeUnknownEffect(SealedAnswer)(answer.body))
  return { status: answer.status, first: sealed.first, token: tpm.open(sealed), sealed }
})

/** A machine whose keys are in software, which asked once and was enabled as node 1. */
export const enabledNode = Effect.gen(function*() {
  const tpm = softwareTpm()
  const { ask } = yield* TestApi
  yield* ask({ path: "/public/auth", body: tpm.request })
  yield* (yield* Administration).setEnabled("test", node1, true)
  return tpm
})
