import { Effect, Ref } from "effect"
import type { HttpApiSchema } from "effect/http-api"
import { ServerAway } from "./SessionError.ts"

/** A resource of the server as it was last sent, and the entity tag that it had (RFC 9110, section 8.8.3). */
interface Kept<A> {
  readonly body: A
  readonly etag: string
}

/** What asking came to: the body, and whether it is another than at the last asking. */
export interface Answer<A> {
  readonly body: A
  readonly changed: boolean
}

/** The request: `If-None-Match` (RFC 9110, section 13.1.2), to which the answer may have no body, which is 304. */
export type Ask<A, E> = (
  request: { readonly headers: { readonly "if-none-match"?: string } }
) => Effect.Effect<HttpApiSchema.withHeaders<A | void, { readonly etag: string }>, E>

/** Asks for a resource on the condition that it changed; where it did not (304) the last body holds, undecoded. */
export const rememberingLast = Effect.fnUntraced(function*<A, E>(ask: Ask<A, E>) {
  const last = yield* Ref.make<Kept<A> | undefined>(undefined)
  const answer: Effect.Effect<Answer<A>, E | ServerAway> = Effect.gen(function*() {
    const before = yield* Ref.get(last)
    const { body, headers } = yield* ask({ headers: before === undefined ? {} : { "if-none-match": before.etag } })
    if (body !== undefined) {
      yield* Ref.set(last, { body, etag: headers.etag })
      return { body, changed: true }
    }
    if (before !== undefined) return { body: before.body, changed: false }
    return yield* new ServerAway({ message: "the server says that nothing changed, and has sent nothing yet" })
  })
  return answer
})
