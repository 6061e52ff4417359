import type { Tcti } from "../../src/transport/Tcti.ts"
import { goBetween, refusal } from "./GoBetween.ts"

/**
 * A way to a swtpm on which one command may not arrive: it is answered with a response code, as a TPM does that is busy,
 * with nothing, or by the TPM. Everything else goes through. swtpm itself has no such moods.
 */
export const answeringTpm = (behind: Tcti, command: number, code: () => number | "nothing" | "the TPM's") =>
  goBetween(behind, {
    command: (asked) => {
      const answer = asked === command ? code() : "the TPM's"
      return typeof answer === "number" ? refusal(answer) : answer
    }
  })
