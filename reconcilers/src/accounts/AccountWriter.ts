import { type RelayName, userOf } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer } from "effect"
import { type CommandFailed, HostCommand } from "../host/HostCommand.ts"
import type { DesiredAccount } from "./DesiredAccount.ts"

/** Which parts of an account differ from what they should be. */
export interface AccountRepair {
  readonly relay: RelayName
  readonly home?: string
  readonly shell?: string
}

/** Changes the accounts of the host. */
export class AccountWriter extends Context.Service<AccountWriter, {
  /** Makes what is missing of all of them, in one run of one program. */
  readonly create: (accounts: ReadonlyArray<DesiredAccount>) => Effect.Effect<void, CommandFailed>
  readonly repair: (repair: AccountRepair) => Effect.Effect<void, CommandFailed>
  /** Removes user and group, and no file. It fails while a process of the user runs. */
  readonly remove: (
    relay: RelayName,
    there: { readonly user: boolean; readonly group: boolean }
  ) => Effect.Effect<void, CommandFailed>
}>()("@patela/reconcilers/accounts/AccountWriter") {
  static readonly layer: Layer.Layer<AccountWriter, never, HostCommand> = Layer.effect(
    AccountWriter,
    Effect.gen(function*() {
      const command = yield* HostCommand
      return AccountWriter.of({
        create: Effect.fn("AccountWriter.create")(function*(accounts) {
          yield* command.run("systemd-sysusers", ["-"], { stdin: sysusersOf(accounts), timeout: 60_000 })
        }),
        repair: Effect.fn("AccountWriter.repair")(function*({ home, relay, shell }) {
          const flags = [
            ...(home === undefined ? [] : ["--home", home]),
            ...(shell === undefined ? [] : ["--shell", shell])
          ]
          yield* command.run("usermod", [...flags, userOf(relay)])
        }),
        remove: Effect.fn("AccountWriter.remove")(function*(relay, there) {
          const name = userOf(relay)
          if (there.user) yield* command.run("userdel", [name])
          if (!there.group) return
          // userdel takes the group along where login.defs says USERGROUPS_ENAB.
          yield* Effect.catchIf(
            command.run("groupdel", [name]),
            ({ exitCode }) => exitCode === NO_SUCH_GROUP,
            () => Effect.succeed("")
          )
        })
      })
    })
  )
}

/** Exit code of groupdel(8). */
const NO_SUCH_GROUP = 6

/**
 * The accounts in the format of sysusers.d(5). The group has a line of its own, for `UID:GROUP` wants it to be there;
 * systemd-sysusers leaves alone what exists.
 */
export const sysusersOf = (accounts: ReadonlyArray<DesiredAccount>): string =>
  accounts.map(({ home, id, relay, shell }) => {
    const name = userOf(relay)
    return `g ${name} ${id}\nu ${name} ${id}:${name} "Tor relay ${relay}" ${home} ${shell}\n`
  }).join("")
