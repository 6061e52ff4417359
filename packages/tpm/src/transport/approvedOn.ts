import { Effect, Option } from "effect"
import { approvalOf, pcrsOfAny, selectionOf } from "../policy/approvalOf.ts"
import type { ApprovedPolicy } from "../policy/ImagePolicy.ts"
import { PROPOSED_PCRS } from "../policy/policyDigest.ts"
import { toHex } from "../structures/Hex.ts"
import type { Line } from "./Exchange.ts"
import { pcrsOn } from "./pcrsOn.ts"
import { TpmPolicyUnmet } from "./TpmError.ts"

/** Says that the image is not approved, and how to approve it. */
export const unmet = Effect.fnUntraced(function*(line: Line) {
  const values = yield* pcrsOn(line, PROPOSED_PCRS)
  const text = PROPOSED_PCRS.pcrs.map((pcr) => `--pcr${pcr} ${toHex(values.get(pcr) ?? new Uint8Array())}`).join(" ")
  return new TpmPolicyUnmet({
    message: "The key store opens only for an approved image, and the one that this machine booted is none. Boot an " +
      `approved one, or approve this one on the server: patela policy sign-image --key FILE ${text}`
  })
})

/** Nobody said which images are approved. */
export const noImagePolicy = (): TpmPolicyUnmet =>
  new TpmPolicyUnmet({
    message:
      "The key store opens only for an approved image, and the server tells of none. Was its image policy lost? " +
      "Sign the image again with the same key: patela policy sign-image"
  })

/** The approval that this boot meets, with the PCRs that it is of as they are now. */
export const approvedOn = Effect.fnUntraced(function*(line: Line, approved: ReadonlyArray<ApprovedPolicy>) {
  const found = yield* pcrsOn(line, pcrsOfAny(approved))
  const match = approvalOf(approved, found)
  if (Option.isNone(match)) return yield* yield* unmet(line)
  const selection = selectionOf(match.value)
  const values = new Map([...found].filter(([pcr]) => selection.pcrs.includes(pcr)))
  return { approval: match.value, selection, values }
})
