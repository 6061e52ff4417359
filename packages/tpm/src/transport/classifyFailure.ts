import { Option } from "effect"
import type { Tcti } from "./Tcti.ts"
import { TpmAbsent, TpmBusy, type TpmError, TpmLockedOut, TpmRefused, TpmToolsUnusable } from "./TpmError.ts"

/** Response codes that decide what to do (TPM 2.0 part 2, 6.6.3). Format-one codes are without their P and N bits. */
export const ResponseCode = {
  failure: 0x101,
  handle: 0x08b,
  authFail: 0x08e,
  size: 0x095,
  policyFail: 0x09d,
  integrity: 0x09f,
  badAuth: 0x0a2,
  nvRange: 0x146,
  nvUninitialized: 0x14a,
  nvSpace: 0x14b,
  nvDefined: 0x14c,
  objectMemory: 0x902,
  sessionMemory: 0x903,
  yielded: 0x908,
  testing: 0x90a,
  nvRate: 0x920,
  lockout: 0x921,
  retry: 0x922,
  nvUnavailable: 0x923
} as const

/**
 * The code without the number of the handle, session or parameter that it complains about, and without the layer of
 * the software stack (TPM 2.0 part 2, 6.6.2, figure 25: bit 7 marks format one, bit 6 is P, bits 8 to 11 are N).
 */
export const plainCode = (code: number): number => {
  const low = code & 0xfff
  return (low & 0x80) === 0 ? low : low & 0xbf
}

/** The response code that tpm2-tools printed, such as `Esys_NV_Read(0x14A) - tpm:...`; the last one is the outermost. */
export const codeIn = (stderr: string): Option.Option<number> => {
  const found = [...stderr.matchAll(/\((0x[0-9a-fA-F]{1,8})\) - /g)].at(-1)?.[1]
  return Option.map(Option.fromUndefinedOr(found), Number)
}

const OTHERS =
  "Another program's objects fill the TPM: use the resource manager, /dev/tpmrm0, which keeps them apart, " +
  "or end that program and try again."

/** What to do about a refusal, by its plain code. */
const advice = new Map<number, string>([
  [
    ResponseCode.failure,
    "The TPM is in failure mode: power the machine off and on; if it stays so, the TPM must be replaced."
  ],
  [ResponseCode.authFail, "A hierarchy has a password: clear it, or clear the TPM in the firmware's set-up."],
  [ResponseCode.badAuth, "A hierarchy has a password: clear it, or clear the TPM in the firmware's set-up."],
  [ResponseCode.policyFail, "The policy is not met: the machine may have booted an image that was not approved."],
  [ResponseCode.integrity, "The data was made for another TPM or key, or was changed on its way: ask for it anew."],
  [ResponseCode.handle, "The object is not in the TPM."],
  [ResponseCode.objectMemory, OTHERS],
  [ResponseCode.sessionMemory, OTHERS],
  [ResponseCode.nvSpace, "The TPM's NV memory is full: undefine indexes that are not needed (tpm2_nvreadpublic)."]
])

const busy: ReadonlySet<number> = new Set([
  ResponseCode.yielded,
  ResponseCode.testing,
  ResponseCode.nvRate,
  ResponseCode.retry,
  ResponseCode.nvUnavailable
])

/** The first line that says ERROR, bounded, without the stack's file names. */
const firstErrorIn = (stderr: string): string => {
  const lines = stderr.split("\n").filter((line) => line.startsWith("ERROR"))
  const line = lines.find((candidate) => candidate.startsWith("ERROR: ")) ?? lines[0] ?? "no message"
  return line.replace(/^ERROR:\s*/, "").slice(0, 200).trim()
}

const absence = /Failed to (?:open specified TCTI device file|connect to)|Cannot connect to|Could not load tcti/
const inUse = /Device or resource busy/
const denied = /Permission denied/

/** What a failed command means. `status` is its exit code, or how it ended without one. */
export const classifyFailure = (
  failed: { readonly command: string; readonly tcti: Tcti; readonly status: string; readonly stderr: string }
): TpmError => {
  const { command, tcti, status, stderr } = failed
  if (inUse.test(stderr)) {
    return new TpmBusy({
      command,
      message: `${command}: ${tcti} is in use by another process. Use the resource manager, /dev/tpmrm0, or try again.`
    })
  }
  if (denied.test(stderr) && absence.test(stderr)) {
    return new TpmToolsUnusable({
      command,
      message:
        `${command}: this user may not open ${tcti}. Run as root or as a member of the group that owns the device.`
    })
  }
  if (absence.test(stderr)) {
    return new TpmAbsent({
      tcti,
      message: `No TPM answers at ${tcti}. Enable the TPM 2.0 in the firmware's set-up and look for /dev/tpmrm0, ` +
        "or name another with --tpm2."
    })
  }
  const code = codeIn(stderr)
  const plain = Option.map(code, plainCode)
  if (Option.contains(plain, ResponseCode.lockout)) {
    return new TpmLockedOut({
      command,
      message: `${command}: the TPM is locked out after wrong authorisations. ` +
        "Wait for its recovery time (tpm2_getcap properties-variable), or run tpm2_dictionarylockout --clear-lockout."
    })
  }
  if (Option.exists(plain, (value) => busy.has(value))) {
    return new TpmBusy({ command, message: `${command}: the TPM is busy and asks to be tried again.` })
  }
  const text = Option.match(code, { onNone: () => status, onSome: (value) => `0x${value.toString(16)}` })
  const hint = Option.flatMap(plain, (value) => Option.fromUndefinedOr(advice.get(value)))
  return new TpmRefused({
    command,
    code,
    message: [`${command} was refused (${text}): ${firstErrorIn(stderr)}.`, ...Option.toArray(hint)].join(" ")
  })
}

/** Whether an error is a refusal with this plain code. */
export const codeIs = (error: TpmError, plain: number): boolean =>
  error._tag === "TpmRefused" && Option.exists(error.code, (code) => plainCode(code) === plain)
