import { FamilyKeysNotGiven, FamilyKeySource } from "@patela/reconcilers/identity/FamilyKeySource"
import { Effect, Layer } from "effect"
import { Session } from "../session/Session.ts"

/** Keys of the family from the server, which seals them to this TPM. */
export class SealedFamilyKeys {
  static readonly layer = Layer.effect(
    FamilyKeySource,
    Effect.map(Session, (session) =>
      FamilyKeySource.of({
        ask: (ids) =>
          session.familyKeys(ids).pipe(Effect.mapError(({ message }) => new FamilyKeysNotGiven({ message })))
      }))
  )
}
