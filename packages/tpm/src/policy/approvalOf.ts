import { Option } from "effect"
import type { PcrSelection } from "../command/pcr.ts"
import { Algorithm } from "../structures/Algorithm.ts"
import { toHex } from "../structures/Hex.ts"
import type { ApprovedPolicy } from "./ImagePolicy.ts"
import { IMAGE_PCRS, pcrPolicy } from "./policyDigest.ts"

/** The PCRs that an approval is of. */
export const selectionOf = ({ pcrs }: ApprovedPolicy): PcrSelection =>
  pcrs === undefined ? IMAGE_PCRS : { bank: Algorithm.sha256, pcrs }

/** Every PCR that one of these approvals is of, in rising order. */
export const pcrsOfAny = (approved: ReadonlyArray<ApprovedPolicy>): PcrSelection => ({
  bank: Algorithm.sha256,
  pcrs: [...new Set(approved.flatMap((one) => selectionOf(one).pcrs))].sort((left, right) => left - right)
})

/** The values that a selection has among these, or none where one is missing. */
const valuesOf = (
  { pcrs }: PcrSelection,
  values: ReadonlyMap<number, Uint8Array>
): Option.Option<ReadonlyArray<Uint8Array>> => Option.all(pcrs.map((pcr) => Option.fromUndefinedOr(values.get(pcr))))

/** The approval that these values meet; where there are several, the one of most PCRs. */
export const approvalOf = (
  approved: ReadonlyArray<ApprovedPolicy>,
  values: ReadonlyMap<number, Uint8Array>
): Option.Option<ApprovedPolicy> => {
  const met = approved.filter((one) => {
    const selection = selectionOf(one)
    const found = valuesOf(selection, values)
    return Option.isSome(found) && toHex(pcrPolicy(selection, found.value)) === one.policy
  })
  const [first, ...others] = met
  if (first === undefined) return Option.none()
  return Option.some(
    others.reduce((best, one) => selectionOf(one).pcrs.length > selectionOf(best).pcrs.length ? one : best, first)
  )
}
