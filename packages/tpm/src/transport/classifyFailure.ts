import { Option } from "effect"
import { refusalOf } from "./refusalOf.ts"
import type { Tcti } from "./Tcti.ts"
import type { TpmError } from "./TpmError.ts"
import { absentAt, closedAt, inUseAt } from "./unreachable.ts"

/** The response code that tpm2-tools printed, such as `Esys_NV_Read(0x14A) - tpm:...`; the last one is the outermost. */
export const codeIn = (stderr: string): Option.Option<number> => {
  const found = [...stderr.matchAll(/\((0x[0-9a-fA-F]{1,8})\) - /g)].at(-1)?.[1]
  return Option.map(Option.fromUndefinedOr(found), Number)
}

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
  if (inUse.test(stderr)) return inUseAt(tcti, command)
  if (denied.test(stderr) && absence.test(stderr)) return closedAt(tcti, command)
  if (absence.test(stderr)) return absentAt(tcti)
  return refusalOf({ command, code: codeIn(stderr), status, words: firstErrorIn(stderr) })
}
