import { parseTorrc } from "@patela/domain/torrc/parse"
import { RESTART_OPTIONS } from "@patela/domain/torrc/RestartOptions"
import type { TorrcLine } from "@patela/domain/torrc/Torrc"
import { Result, Schema } from "effect"
import { createHash } from "node:crypto"

/**
 * A torrc reduced to what tells whether a running tor has it, and whether a reload would do. No line of it is kept but the
 * family's public identities.
 */
export const LoadedTorrc = Schema.Struct({
  /** SHA-256 of the text, hex. */
  digest: Schema.String,
  /** SHA-256 of the lines whose change takes a restart, hex. */
  restartDigest: Schema.String,
  /** Its FamilyId lines; absent where there are none. */
  familyIds: Schema.optionalKey(Schema.Array(Schema.String)),
  /** SHA-256 of the lines that say where tor listens, hex; absent where the text is no torrc, and with older agents. */
  listenDigest: Schema.optionalKey(Schema.String),
  /** SHA-256 of what the unit's drop-in says of a process that starts, hex; absent where there is no drop-in. */
  dropIn: Schema.optionalKey(Schema.String)
})
export type LoadedTorrc = typeof LoadedTorrc.Type

/**
 * The relay's place in the network, besides what tor itself refuses to change: what it has open would go on with the old
 * one. And the control socket, by which changes are made.
 */
const PLACE_OPTIONS = new Set([
  "Address",
  "ControlPort",
  "ControlSocket",
  "ExtORPort",
  "Nickname",
  "OutboundBindAddress",
  "OutboundBindAddressExit",
  "OutboundBindAddressOR",
  "OutboundBindAddressPT"
])

/** A running tor can change these, and ends when it is told so by SIGHUP and cannot bind one. */
const LISTENERS = new Set(["DirPort", "MetricsPort", "ORPort"])

/** `443`, `192.0.2.1:443`, `[2001:db8::1]:443 IPv4Only`: a running tor has no right to bind a port below 1024 any more. */
const isPrivileged = (value: string): boolean => Number(/^(?:\S*:)?(\d{1,5})(?: |$)/.exec(value)?.[1] ?? 1024) < 1024

/** With tor's sandbox on, every line counts (RestartOptions.ts); a text that is no torrc counts as one line. */
export const loadedFrom = (text: string): LoadedTorrc => {
  const parsed = parseTorrc(text)
  if (Result.isFailure(parsed)) return { digest: sha256(text), restartDigest: sha256(text) }
  const { lines } = parsed.success
  const sandboxed = lines.some(({ option, value }) => option === "Sandbox" && value === "1")
  const isFixed = (option: string, value: string): boolean =>
    RESTART_OPTIONS.has(option) || PLACE_OPTIONS.has(option) || (LISTENERS.has(option) && isPrivileged(value))
  const ids = lines.filter(({ option }) => option === "FamilyId").map(({ value }) => value)
  return {
    digest: sha256(text),
    restartDigest: linesDigest(lines.filter(({ option, value }) => sandboxed || isFixed(option, value))),
    listenDigest: linesDigest(lines.filter(({ option }) => LISTENERS.has(option))),
    ...(ids.length === 0 ? {} : { familyIds: ids })
  }
}

const linesDigest = (lines: ReadonlyArray<TorrcLine>): string =>
  sha256(lines.map(({ mode, option, value }) => `${mode} ${option} ${value}`).join("\n"))

/** Whether another listener is wanted than the one that is open. */
export const hasOtherListeners = (before: LoadedTorrc, after: LoadedTorrc): boolean =>
  before.listenDigest !== undefined && before.listenDigest !== after.listenDigest

/** Whether other families are to be declared; in which order is no matter. */
export const hasOtherFamilies = (before: LoadedTorrc, after: LoadedTorrc): boolean => {
  const [one, other] = [before, after].map(({ familyIds = [] }) => familyIds.toSorted().join(" "))
  return one !== other
}

/**
 * The digest of a drop-in without what systemd gives to a running unit as soon as it has read it: limits of the control
 * group (systemd source, unit_deserialize: "also gets any potential new cgroup settings applied"). A relay more or less
 * on the node is another MemoryMax for all of them, and no reason to restart any.
 */
export const dropInDigest = (text: string): string =>
  sha256(text.split("\n").filter((line) => !line.startsWith("MemoryMax=")).join("\n"))

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")
