import type { Effect, Scope } from "effect"
import type { Row } from "./Row.ts"

/** Figures that are taken together, since they share their set-up. `names` are those of its rows. */
export interface Bench {
  readonly names: ReadonlyArray<string>
  readonly needsRoot: boolean
  /** Only what is wanted need be taken; the rows of others are dropped. */
  readonly run: (
    wanted: (name: string) => boolean
  ) => Effect.Effect<ReadonlyArray<Row>, { readonly message: string }, Scope.Scope>
}
