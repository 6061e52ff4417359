import type { ResourceAddress } from "./Resource.ts"

/** What became of one change of a batch. A message says what happened and why, and holds no secret. */
export type Outcome = { readonly done: true } | { readonly done: false; readonly message: string }

export const done: Outcome = { done: true }

export const failed = (message: string): Outcome => ({ done: false, message })

/** The same outcome for every change of a batch: for kinds whose batch is one transaction. */
export const outcomesOf = (
  changes: ReadonlyArray<{ readonly address: ResourceAddress }>,
  outcome: Outcome
): ReadonlyMap<ResourceAddress, Outcome> => new Map(changes.map(({ address }) => [address, outcome]))
