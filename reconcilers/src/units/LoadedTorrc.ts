import { parseTorrc } from "@patela/domain/torrc/parse"
import { Result, Schema } from "effect"
import { createHash } from "node:crypto"

/** A torrc reduced to what tells whether a running tor has it, and whether a reload would do. No line of it is kept. */
export const LoadedTorrc = Schema.Struct({
  /** SHA-256 of the text, hex. */
  digest: Schema.String,
  /** SHA-256 of the lines that tor reads at its start alone, hex. */
  restartDigest: Schema.String
})
export type LoadedTorrc = typeof LoadedTorrc.Type

/**
 * Options that a running tor refuses to change (tor source, config.c, options_transition_allowed), and those of
 * listeners and addresses, where a reload that fails to bind ends the relay. In lower case.
 */
const RESTART_OPTIONS = new Set(
  (`AccelName CacheDirectory DataDirectory DisableAllSwap DisableDebuggerAttachment HardwareAccel ` +
    `HiddenServiceNonAnonymousMode HiddenServiceSingleHopMode KeepBindCapabilities KeyDirectory NoExec NumCPUs PidFile ` +
    `RunAsDaemon Sandbox SyslogIdentityTag TestingTorNetwork TokenBucketRefillInterval User ` +
    `Address ControlPort ControlSocket DirPort ExtORPort MetricsPort Nickname ORPort OutboundBindAddress ` +
    `OutboundBindAddressExit OutboundBindAddressOR OutboundBindAddressPT`).toLowerCase().split(" ")
)

/** A text that is no torrc counts as one line that needs a restart. */
export const loadedFrom = (text: string): LoadedTorrc => {
  const parsed = parseTorrc(text)
  const lines = Result.isSuccess(parsed)
    ? parsed.success.lines.filter(({ option }) => RESTART_OPTIONS.has(option.toLowerCase()))
      .map(({ mode, option, value }) => `${mode} ${option.toLowerCase()} ${value}`)
    : [text]
  return { digest: sha256(text), restartDigest: sha256(lines.join("\n")) }
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")
