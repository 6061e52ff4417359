import { Option } from "effect"
import { plainCode, ResponseCode } from "./ResponseCode.ts"
import { TpmBusy, type TpmError, TpmLockedOut, TpmRefused } from "./TpmError.ts"

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

/** What it means that a TPM refused a command with this response code, or a tool without one. `words` are of the tool. */
export const refusalOf = (
  refused: {
    readonly command: string
    readonly code: Option.Option<number>
    readonly status?: string
    readonly words?: string
  }
): TpmError => {
  const { code, command, status = "no code", words } = refused
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
  const what = `${command} was refused (${text})${words === undefined ? "" : `: ${words}`}.`
  return new TpmRefused({ command, code, message: [what, ...Option.toArray(hint)].join(" ") })
}

/** Whether an error is a refusal with this plain code. */
export const codeIs = (error: TpmError, plain: number): boolean =>
  error._tag === "TpmRefused" && Option.exists(error.code, (code) => plainCode(code) === plain)

/** Whether a refusal may come from a session that is not the TPM's any more (TPM_RC_REFERENCE_S0 to S6, or a wrong HMAC). */
export const unknownSession = (error: TpmError): boolean =>
  codeIs(error, ResponseCode.authFail) || codeIs(error, ResponseCode.badAuth) ||
  (error._tag === "TpmRefused" && Option.exists(error.code, (code) => code >= 0x918 && code <= 0x91e))
