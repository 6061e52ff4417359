import { type RelayName, unitOf } from "@patela/domain/relay/RelayName"

/** Patela's directory for what is true of this boot alone; on a tmpfs, root only. */
export const RUNTIME_DIRECTORY = "/run/patela"

/** What Patela made on this boot, and may therefore remove. */
export const OWNED_FILE = `${RUNTIME_DIRECTORY}/owned.json`

/** Users and groups of the host, each replaced as a whole by shadow-utils: passwd(5), group(5). */
export const USERS = "/etc/passwd"
export const GROUPS = "/etc/group"

/** Where Debian's `tor@.service` looks for the configuration of its instances. */
export const INSTANCES_CONFIG = "/etc/tor/instances"

/** Where Debian's instances keep state and keys. */
export const INSTANCES_STATE = "/var/lib/tor-instances"

/** What Debian gives every instance beneath its torrc, with `@@NAME@@` for the name. */
export const INSTANCE_DEFAULTS = "/usr/share/tor/tor-service-defaults-torrc-instances"

export const configDirectoryOf = (name: RelayName): string => `${INSTANCES_CONFIG}/${name}`
export const torrcFileOf = (name: RelayName): string => `${configDirectoryOf(name)}/torrc`
export const stateDirectoryOf = (name: RelayName): string => `${INSTANCES_STATE}/${name}`
export const keysDirectoryOf = (name: RelayName): string => `${stateDirectoryOf(name)}/keys`

/** Where systemd looks for units and their drop-ins that last until the next boot (systemd.unit(5)). */
export const RUNTIME_UNITS = "/run/systemd/system"

/** What Patela adds to the unit of a relay. Others may put files of their own beside it. */
export const DROP_IN_FILE = "patela.conf"

export const dropInDirectoryOf = (name: RelayName): string => `${RUNTIME_UNITS}/${unitOf(name)}.d`
export const dropInFileOf = (name: RelayName): string => `${dropInDirectoryOf(name)}/${DROP_IN_FILE}`

/** The kernel's settings as files (sysctl(8)). */
export const KERNEL_SETTINGS = "/proc/sys"
