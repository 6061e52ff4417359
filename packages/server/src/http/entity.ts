import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { createHash } from "node:crypto"

/** A strong entity tag (RFC 9110, section 8.8.3): SHA-256 of the body, base64url, quoted. */
export const etagOf = (body: string): string => `"${createHash("sha256").update(body).digest("base64url")}"`

/** The tags of a list as `If-None-Match` has it (RFC 9110, section 13.1.2); `W/` does not count in its comparison. */
const TAG = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g

/** Whether who sent this `If-None-Match` has the entity already. A field that is none of the sort has nothing. */
export const hasAlready = (ifNoneMatch: string | undefined, etag: string): boolean => {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === "*") return true
  return [...ifNoneMatch.matchAll(TAG)].some(([, tag]) => tag === etag)
}

/** Answers with a value as JSON and its tag, or 304 with the tag alone where the node has it already. */
export const entity = <A, I>(schema: Schema.Codec<A, I>) => {
  const encode = Schema.encodeEffect(Schema.fromJsonString(Schema.toCodecJson(schema)))
  return Effect.fnUntraced(function*(value: A, ifNoneMatch: string | undefined) {
    const body = yield* Effect.orDie(encode(value))
    const etag = etagOf(body)
    const headers = { etag, "cache-control": "private, no-cache" }
    return hasAlready(ifNoneMatch, etag)
      ? HttpServerResponse.empty({ status: 304, headers })
      : HttpServerResponse.text(body, { contentType: "application/json", headers })
  })
}
