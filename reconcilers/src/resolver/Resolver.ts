import { make } from "@patela/domain/reconciler/Kind"
import { done, failed, outcomesOf } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { RESOLVER_FILE } from "@patela/domain/torrc/ManagedLines"
import { Effect, Stream } from "effect"
import { FileMonitor } from "../host/FileMonitor.ts"
import { diffResolver, type ResolverChange } from "./diffResolver.ts"
import {
  type DesiredResolver,
  desiredResolver,
  isPatelas,
  type ObservedResolver,
  RESOLVER_ADDRESS
} from "./ResolverFile.ts"
import { ResolverReader } from "./ResolverReader.ts"
import { ResolverWriter } from "./ResolverWriter.ts"

const applyResolver = Effect.fn("resolver.apply")(function*(changes: ReadonlyArray<ResolverChange>) {
  const writer = yield* ResolverWriter
  const [change] = changes
  if (change === undefined) return outcomesOf(changes, done)
  if (change.action === "update" && !isPatelas(change.observed)) {
    return outcomesOf(changes, failed(`${RESOLVER_FILE} is there and is not Patela's; remove it`))
  }
  const work = change.action === "remove" ? writer.remove : writer.write(change.desired.content)
  return outcomesOf(
    changes,
    yield* Effect.match(work, { onFailure: ({ message }) => failed(message), onSuccess: () => done })
  )
})

/** `node/resolver`: the name servers that relays ask, in a file of Patela's own. */
export const Resolver = make<DesiredResolver, ObservedResolver, FileMonitor | ResolverReader, ResolverWriter>({
  kind: "resolver",
  desired: desiredResolver,
  observe: Effect.fn("resolver.observe")(function*() {
    const reader = yield* ResolverReader
    const seen = yield* reader.read
    return new Map<ResourceAddress, ObservedResolver>(seen.type === "absent" ? [] : [[RESOLVER_ADDRESS, seen]])
  }),
  diff: diffResolver,
  apply: applyResolver,
  watch: Stream.unwrap(FileMonitor.useSync((files) => files.changes("resolver", [RESOLVER_FILE])))
})
