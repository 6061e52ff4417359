import { make } from "@patela/domain/reconciler/Kind"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Effect } from "effect"
import { putAll } from "./applyDropIns.ts"
import { type DesiredDropIn, desiredDropIns, dropInAddress } from "./DesiredDropIn.ts"
import { type DropInChange, isForeign, type ObservedDropIn } from "./diffDropIns.ts"
import { type DropInReaders, type DropInWriters, observeDropIns, watchDropIns } from "./DropIns.ts"
import { leavesMore, withLimitOf } from "./limitLine.ts"

const limitAddress = (relay: RelayName): ResourceAddress => `relay/${relay}/memory-limit`

/** By the address of the limit, and of relays that have one to be lowered. */
const observe = Effect.fn("memory-limits.observe")(function*(desired: ReadonlyArray<Resource<DesiredDropIn>>) {
  const found = yield* observeDropIns(desired)
  const observed = new Map<ResourceAddress, ObservedDropIn>()
  for (const { address, value } of desired) {
    const dropIn = found.get(dropInAddress(value.relay))
    if (dropIn !== undefined) observed.set(address, dropIn)
  }
  return observed
})

/** Pure. A file that is missing or not Patela's, and whatever else is wrong with it, is the business of the drop-ins. */
const diff = (
  desired: ReadonlyArray<Resource<DesiredDropIn>>,
  all: ReadonlyMap<ResourceAddress, ObservedDropIn>
): ReadonlyArray<DropInChange> =>
  desired.flatMap(({ address, needs, scope, value }): ReadonlyArray<DropInChange> => {
    const observed = all.get(address)
    if (observed?.found.type !== "file" || isForeign(observed)) return []
    const { content } = observed.found
    if (!leavesMore(content, value.content)) return []
    const lowered = { ...value, content: withLimitOf(content, value.content) }
    const lines = [...limitsIn("-", content), ...limitsIn("+", lowered.content)]
    return [{ action: "update", address, scope, needs, desired: lowered, observed, lines }]
  })

const limitsIn = (sign: string, content: string): ReadonlyArray<string> =>
  content.split("\n").filter((line) => line.startsWith("MemoryMax=")).map((line) => `${sign} ${line}`)

/**
 * `relay/NAME/memory-limit`: a limit of memory in the relay's drop-in that is to be lower than it is. It comes after the
 * units, for systemd gives it to the running process at once: tor must have a lower MaxMemInQueues first, or the kernel ends
 * it with what it holds. A limit that is to be higher is raised with the rest of the drop-in, before.
 */
export const MemoryLimits = make<DesiredDropIn, ObservedDropIn, DropInReaders, DropInWriters>({
  kind: "memory-limits",
  desired: (input) =>
    desiredDropIns(input).map((resource) => ({
      ...resource,
      address: limitAddress(resource.value.relay),
      partOf: resource.address,
      needs: [resource.address, `relay/${resource.value.relay}/unit`]
    })),
  observe,
  diff,
  apply: putAll,
  watch: watchDropIns("memory-limits")
})
