import { Authorization, CurrentNode } from "@patela/domain/api/Authorization"
import { Effect, Layer } from "effect"
import { Nodes } from "../nodes/Nodes.ts"
import { Admission } from "./Admission.ts"

/** Lets a private request through when its token is admitted. */
export const TokenAuthorization = Layer.effect(
  Authorization,
  Effect.gen(function*() {
    const { admit } = yield* Admission
    const nodes = yield* Nodes
    return Authorization.of({
      bearer: Effect.fn("Authorization.bearer")(function*(httpEffect, { credential }) {
        const node = yield* admit(credential)
        yield* Effect.orDie(nodes.authenticated(node))
        return yield* Effect.provideService(httpEffect, CurrentNode, { id: node.id })
      })
    })
  })
)
