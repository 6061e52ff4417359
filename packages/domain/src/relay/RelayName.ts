import { Schema } from "effect"

/**
 * The name of a relay: a cheese, in lower-case letters and digits, at most 19 characters.
 *
 * It is the instance in `tor@NAME`, part of the user `_tor-NAME` and the relay's nickname, so it takes the strictest
 * rule of the three: tor's nickname is 1 to 19 letters and digits (tor manual, `Nickname`), and Debian's
 * `tor-instance-create` takes no instance called `default`.
 */
export const RelayName = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^(?!default$)[a-z][a-z0-9]{0,18}$/, {
      message: "a relay name is 1 to 19 lower-case letters and digits, begins with a letter, and is not `default`"
    })
  ),
  Schema.brand("RelayName")
)
export type RelayName = typeof RelayName.Type

/** The system account, and its group, that the relay runs as. */
export const userOf = (name: RelayName): string => `_tor-${name}`

/** The systemd unit of the relay. */
export const unitOf = (name: RelayName): string => `tor@${name}.service`
