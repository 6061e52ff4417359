import { Authorization, CurrentNode } from "@patela/domain/api/Authorization"
import { Effect, Layer } from "effect"
import { Nodes } from "../nodes/Nodes.ts"
import { Admission } from "./Admission.ts"

/** The one request that comes before it is known what the node booted, for it says so. */
const EVIDENCE = "evidence"

/** Lets a private request through when its token is admitted. */
export const TokenAuthorization = Layer.effect(
  Authorization,
  Effect.gen(function*() {
    const { admit, enter } = yield* Admission
    const nodes = yield* Nodes
    return Authorization.of({
      bearer: Effect.fn("Authorization.bearer")(function*(httpEffect, { credential, endpoint }) {
        const node = endpoint.identifier === EVIDENCE ? (yield* enter(credential)).node : yield* admit(credential)
        yield* Effect.orDie(nodes.authenticated(node))
        return yield* Effect.provideService(httpEffect, CurrentNode, { id: node.id })
      })
    })
  })
)
