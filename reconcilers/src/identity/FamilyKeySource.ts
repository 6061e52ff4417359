import type { FamilyId } from "@patela/domain/family/FamilyId"
import type { FamilySecret } from "@patela/domain/family/FamilySecret"
import { Context, type Effect, Schema } from "effect"

/** The server gave no keys of the family. `message` says why and what to do, and holds no secret. */
export class FamilyKeysNotGiven extends Schema.TaggedError<FamilyKeysNotGiven>()("FamilyKeysNotGiven", {
  message: Schema.String
}) {}

/** Where keys of the family come from that neither this host nor its TPM has: the server, sealed to the TPM. */
export class FamilyKeySource extends Context.Service<FamilyKeySource, {
  /** All of them, each of just that identity. */
  readonly ask: (
    ids: ReadonlyArray<FamilyId>
  ) => Effect.Effect<ReadonlyMap<FamilyId, FamilySecret>, FamilyKeysNotGiven>
}>()("@patela/reconcilers/identity/FamilyKeySource") {}
