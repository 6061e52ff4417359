import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, Effect, Layer } from "effect"
import * as fs from "node:fs/promises"
import { decodedOnce } from "../host/decodedOnce.ts"
import { GROUPS, USERS } from "../host/HostPaths.ts"
import { causeText } from "../host/SystemError.ts"
import { type AccountTables, parseGroups, parseUsers } from "./AccountTables.ts"

/** Reads the accounts of the host. */
export class AccountReader extends Context.Service<AccountReader, {
  readonly read: Effect.Effect<AccountTables, ObservationFailed>
}>()("@patela/reconcilers/accounts/AccountReader") {
  /** From the two files; accounts of other sources, such as LDAP, have no business on a node. */
  static readonly layerAt = (passwd: string, group: string): Layer.Layer<AccountReader> =>
    Layer.sync(AccountReader, () => {
      const users = decodedOnce((text) => parseUsers(passwd, text))
      const groups = decodedOnce((text) => parseGroups(group, text))
      return AccountReader.of({
        read: Effect.all({
          users: Effect.flatMap(readText(passwd), users),
          groups: Effect.flatMap(readText(group), groups)
        }, { concurrency: "unbounded" })
      })
    })

  static readonly layer: Layer.Layer<AccountReader> = AccountReader.layerAt(USERS, GROUPS)
}

// A declaration, for the class makes its layer before a constant that stands here would be there.
function readText(path: string): Effect.Effect<string, ObservationFailed> {
  return Effect.tryPromise({
    try: () => fs.readFile(path, "utf8"),
    catch: (cause) => new ObservationFailed({ kind: "accounts", message: `cannot read ${path}: ${causeText(cause)}` })
  })
}
