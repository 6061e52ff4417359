import { make } from "@patela/domain/reconciler/Kind"
import { Effect, Stream } from "effect"
import { LedgerReader } from "../ledger/LedgerReader.ts"
import { AccountReader } from "./AccountReader.ts"
import { applyAccounts } from "./applyAccounts.ts"
import { desiredAccounts } from "./DesiredAccount.ts"
import { diffAccounts } from "./diffAccounts.ts"
import { observedAccounts } from "./ObservedAccount.ts"

/** `relay/NAME/account`: the user and the group that each relay runs as. */
export const Accounts = make({
  kind: "accounts",
  desired: desiredAccounts,
  observe: Effect.fn("accounts.observe")(function*(desired) {
    const accounts = yield* AccountReader
    const ledger = yield* LedgerReader
    return observedAccounts(yield* accounts.read, yield* ledger.read, desired)
  }),
  diff: diffAccounts,
  apply: applyAccounts,
  // Periodic look only: nothing but an administrator changes accounts.
  watch: Stream.never
})
