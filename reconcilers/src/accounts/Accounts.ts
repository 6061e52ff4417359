import { make } from "@patela/domain/reconciler/Kind"
import { lastResult } from "@patela/domain/reconciler/lastResult"
import { Effect, Stream } from "effect"
import { FileMonitor } from "../host/FileMonitor.ts"
import { GROUPS, USERS } from "../host/HostPaths.ts"
import { LedgerReader } from "../ledger/LedgerReader.ts"
import type { LedgerWriter } from "../ledger/LedgerWriter.ts"
import { AccountReader } from "./AccountReader.ts"
import type { AccountWriter } from "./AccountWriter.ts"
import { applyAccounts } from "./applyAccounts.ts"
import { type DesiredAccount, desiredAccounts } from "./DesiredAccount.ts"
import { diffAccounts } from "./diffAccounts.ts"
import { type ObservedAccount, observedAccounts } from "./ObservedAccount.ts"

const observed = lastResult(observedAccounts)

/** `relay/NAME/account`: the user and the group that each relay runs as. */
export const Accounts = make<
  DesiredAccount,
  ObservedAccount,
  AccountReader | FileMonitor | LedgerReader,
  AccountReader | AccountWriter | LedgerWriter
>({
  kind: "accounts",
  desired: desiredAccounts,
  observe: Effect.fn("accounts.observe")(function*(desired) {
    const accounts = yield* AccountReader
    const ledger = yield* LedgerReader
    return observed(yield* accounts.read, yield* ledger.read, desired)
  }),
  diff: diffAccounts,
  apply: applyAccounts,
  watch: Stream.unwrap(FileMonitor.useSync((files) => files.changes("accounts", [USERS, GROUPS])))
})
