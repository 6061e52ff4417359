import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Option } from "effect"
import { fingerprintLine, type HostIdentity, type KeyOwner, sameFingerprints } from "./HostIdentity.ts"
import { fingerprintsOf, type RelayIdentity } from "./RelayIdentity.ts"

/**
 * The identity that a relay should have. `record` is what the server has on record, null where it has none. `formerly` are
 * names of before that it may be stored under.
 */
export interface DesiredIdentity extends KeyOwner {
  readonly record: Fingerprints | null
  readonly formerly: ReadonlyArray<RelayName>
}

/** How a relay comes by its identity. */
export type Restoration =
  | { readonly step: "write"; readonly identity: RelayIdentity }
  | { readonly step: "rewrite" }
  | { readonly step: "mint" }
  | { readonly step: "refuse"; readonly message: string }

/**
 * Decides it, and fails closed: new keys are made only where neither the server nor the store knows the relay, and key
 * files that say something else than the server are never overwritten.
 *
 * One key file alone (an agent or a tor that was killed half-way) counts as none: whatever is stored completes it. If
 * nothing is stored and the server has no record, nobody has seen the relay yet, and new keys are safe.
 */
export const restorationOf = (
  desired: DesiredIdentity,
  host: HostIdentity,
  stored: Option.Option<RelayIdentity>,
  restore: boolean
): Restoration => {
  const { name, record } = desired
  if (host.state === "present") {
    return contradicts(record, host.fingerprints)
      ? refuse(contradiction(desired, host.fingerprints))
      : { step: "rewrite" }
  }
  if (Option.isSome(stored)) {
    const fingerprints = fingerprintsOf(stored.value)
    if (!contradicts(record, fingerprints)) return { step: "write", identity: stored.value }
    return refuse(
      `the TPM's key for ${name} is of ${fingerprintLine(fingerprints)}, but ${said(record)}. ` +
        `It was not restored. Find out which is right: a relay's fingerprint does not change by itself; ` +
        `if the TPM is right, remove the relay on the server.`
    )
  }
  if (record !== null) {
    const why = restore ? "the TPM has no key for it" : "keys are not restored (--skip-restore)"
    return refuse(
      `${said(record)}, but ${why}: no new identity was made. ` +
        (restore ? "Restore the key, or remove the relay on the server." : "Run without --skip-restore.")
    )
  }
  if (host.state === "damaged") {
    return refuse(
      `the key files of ${name} cannot be used: ${host.why}. The TPM has no key for it, so nothing was overwritten. ` +
        `Move the relay's keys directory away to have a new identity made.`
    )
  }
  return { step: "mint" }
}

const refuse = (message: string): Restoration => ({ step: "refuse", message })

export const contradicts = (record: Fingerprints | null, fingerprints: Fingerprints): boolean =>
  record !== null && !sameFingerprints(record, fingerprints)

const said = (record: Fingerprints | null): string =>
  record === null ? "the server has no record" : `the server knows this relay as ${fingerprintLine(record)}`

export const contradiction = ({ name, record }: DesiredIdentity, host: Fingerprints): string =>
  `the key files of ${name} are of ${fingerprintLine(host)}, but ${said(record)}. They were not overwritten. ` +
  `Move the relay's keys directory away to have its identity restored from the TPM.`
