import { parseTorrc } from "@patela/domain/torrc/parse"
import { RESTART_OPTIONS } from "@patela/domain/torrc/RestartOptions"
import type { Torrc } from "@patela/domain/torrc/Torrc"
import { Result, Schema } from "effect"
import { createHash } from "node:crypto"

/**
 * A torrc reduced to what tells whether a running tor has it, and whether a reload would do. No line of it is kept but the
 * family's public identities.
 */
export const LoadedTorrc = Schema.Struct({
  /** SHA-256 of the text, hex. */
  digest: Schema.String,
  /** SHA-256 of the lines that tor reads at its start alone, hex. */
  restartDigest: Schema.String,
  /** Its FamilyId lines, and SHA-256 of its MyFamily lines, hex; absent where there are none. */
  familyIds: Schema.optionalKey(Schema.Array(Schema.String)),
  familyMembers: Schema.optionalKey(Schema.String),
  /** SHA-256 of what the unit's drop-in says of a process that starts, hex; absent where there is no drop-in. */
  dropIn: Schema.optionalKey(Schema.String)
})
export type LoadedTorrc = typeof LoadedTorrc.Type

/**
 * Listeners and addresses, besides what tor itself refuses to change: a reload that cannot bind a port ends the relay,
 * and the address and name are the relay's place in the network.
 */
const PLACE_OPTIONS = new Set([
  "Address",
  "ControlPort",
  "ControlSocket",
  "DirPort",
  "ExtORPort",
  "MetricsPort",
  "Nickname",
  "ORPort",
  "OutboundBindAddress",
  "OutboundBindAddressExit",
  "OutboundBindAddressOR",
  "OutboundBindAddressPT"
])

/** With tor's sandbox on, every line counts (RestartOptions.ts); a text that is no torrc counts as one line. */
export const loadedFrom = (text: string): LoadedTorrc => {
  const parsed = parseTorrc(text)
  const lines = Result.isSuccess(parsed) ? parsed.success.lines : []
  const sandboxed = lines.some(({ option, value }) => option === "Sandbox" && value === "1")
  const fixed = lines.filter(({ option }) => sandboxed || RESTART_OPTIONS.has(option) || PLACE_OPTIONS.has(option))
    .map(({ mode, option, value }) => `${mode} ${option} ${value}`)
  const ids = valuesOf(lines, "FamilyId")
  const members = valuesOf(lines, "MyFamily")
  return {
    digest: sha256(text),
    restartDigest: sha256(Result.isSuccess(parsed) ? fixed.join("\n") : text),
    ...(ids.length === 0 ? {} : { familyIds: ids }),
    ...(members.length === 0 ? {} : { familyMembers: sha256(members.join("\n")) })
  }
}

const valuesOf = (lines: Torrc, wanted: string): ReadonlyArray<string> =>
  lines.filter(({ option }) => option === wanted).map(({ value }) => value)

/**
 * The digest of a drop-in without what systemd gives to a running unit as soon as it has read it: limits of the control
 * group (systemd source, unit_deserialize: "also gets any potential new cgroup settings applied"). A relay more or less
 * on the node is another MemoryMax for all of them, and no reason to restart any.
 */
export const dropInDigest = (text: string): string =>
  sha256(text.split("\n").filter((line) => !line.startsWith("MemoryMax=")).join("\n"))

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")
