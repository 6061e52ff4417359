import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Effect } from "effect"
import { chooseEndorsementKey } from "../identity/chooseEndorsementKey.ts"

/**
 * Which endorsement key a transport works with: the kind that it was told, else the one that certificates in NV memory are
 * for. Those are looked for once, for a vendor's certificates do not change while a process runs.
 */
export const kindInUse = (given: EndorsementKeyKind | undefined) => {
  let inUse = given
  return {
    use: (kind: EndorsementKeyKind): Effect.Effect<void> =>
      Effect.sync(() => {
        inUse = kind
      }),
    /** `written` gives the NV indexes that hold something. */
    of: <E>(written: Effect.Effect<ReadonlyArray<number>, E>): Effect.Effect<EndorsementKeyKind, E> =>
      Effect.suspend(() =>
        inUse === undefined
          ? Effect.map(written, (indexes) => (inUse ??= chooseEndorsementKey(indexes)))
          : Effect.succeed(inUse)
      )
  }
}
