import { Duration } from "effect"
import type { Tcti } from "./Tcti.ts"
import { TpmAbsent, TpmBusy, TpmTimeout, TpmToolsUnusable } from "./TpmError.ts"

/** No TPM is at the address. */
export const absentAt = (tcti: Tcti): TpmAbsent =>
  new TpmAbsent({
    tcti,
    message: `No TPM answers at ${tcti}. Enable the TPM 2.0 in the firmware's set-up and look for /dev/tpmrm0, ` +
      "or name another with --tpm2."
  })

/** Somebody else has the device. */
export const inUseAt = (tcti: Tcti, command: string): TpmBusy =>
  new TpmBusy({
    command,
    message: `${command}: ${tcti} is in use by another process. Use the resource manager, /dev/tpmrm0, or try again.`
  })

/** The device is not for this user. */
export const closedAt = (tcti: Tcti, command: string): TpmToolsUnusable =>
  new TpmToolsUnusable({
    command,
    message: `${command}: this user may not open ${tcti}. Run as root or as a member of the group that owns the device.`
  })

/** The TPM was there and went away before it answered: whether the command was done is not known. */
export const lostAt = (tcti: Tcti, command: string): TpmAbsent =>
  new TpmAbsent({
    tcti,
    message: `The TPM at ${tcti} went away before it answered ${command}. Try again; if it stays away, ` +
      "look for /dev/tpmrm0, or name another with --tpm2."
  })

/** Nothing came within the limit. `ended` says what became of the command. */
export const silentFor = (limit: Duration.Duration, command: string, ended: string): TpmTimeout =>
  new TpmTimeout({
    command,
    seconds: Duration.toSeconds(limit),
    message: `${command} did not end within ${Duration.toSeconds(limit)} s and was ${ended}. ` +
      "Another process may hold the TPM: see who has it open (fuser /dev/tpm0), then try again. " +
      "If nobody has, it hangs: power the machine off and on."
  })
