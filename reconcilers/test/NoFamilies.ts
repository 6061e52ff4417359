import { Effect, Layer } from "effect"
import { FamilyKeyReader } from "../src/identity/FamilyKeyReader.ts"

/** A host on which no relay has a family's key. */
export const noFamilies = Layer.succeed(FamilyKeyReader, {
  look: Effect.succeed(new Map()),
  secrets: () => Effect.succeed(new Map())
})
