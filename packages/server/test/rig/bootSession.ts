import { Effect, Schema } from "effect"
import { Administration } from "../../src/nodes/Administration.ts"
import { Nodes } from "../../src/nodes/Nodes.ts"
import { NetworkAdministration } from "../../src/settings/NetworkAdministration.ts"
import { network, specs } from "./Fleet.ts"
import { SealedAnswer } from "./SealedAnswer.ts"
import { type SoftwareTpm, softwareTpm } from "./SoftwareTpm.ts"
import { TestApi } from "./TestApi.ts"

/** A machine that asked once and was enabled. */
export const enroll = Effect.gen(function*() {
  const { ask } = yield* TestApi
  const tpm = softwareTpm()
  yield* ask({ path: "/public/auth", body: tpm.request })
  const node = (yield* (yield* Nodes).list).find(({ ak_name }) => ak_name === tpm.request.ak_name)
  if (node === undefined) return yield* Effect.die("not listed")
  yield* (yield* Administration).setEnabled("test", node.id, true)
  return tpm
})

/** The first, of a network that is set. */
export const enrolled = Effect.gen(function*() {
  yield* (yield* NetworkAdministration).set("test", network)
  return yield* enroll
})

/** A new session, in which nothing was asked yet. */
export const session = Effect.fnUntraced(function*(tpm: SoftwareTpm) {
  const { ask } = yield* TestApi
  const { body } = yield* ask({ path: "/public/auth", body: tpm.request })
  const sealed = yield* Effect.orDie(Schema.decodeUnknownEffect(SealedAnswer)(body))
  const token = tpm.open(sealed)
  return {
    challenge: sealed.challenge,
    asked: sealed.boot,
    show: (evidence: unknown) => ask({ path: "/private/evidence", token, body: evidence }),
    work: ask({ path: "/private/specs", token, body: specs }),
    token
  }
})
