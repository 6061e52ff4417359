import type { NodeId } from "@patela/domain/node/NodeId"
import { bankOf, type Boot, type BootDigest, bootDigestOf } from "./Boot.ts"

/** A boot that is allowed. `boot` is null where only its digest was allowed, `learned_from` where it was not learned. */
export interface AllowedBoot {
  readonly digest: BootDigest
  readonly boot: Boot | null
  readonly learned_from: number | null
}

/** The first PCR, by its number, that is other than in the allowed boot that comes nearest. Values as hex. */
export interface BootDifference {
  readonly pcr: number
  readonly expected: string
  readonly found: string
  /** Which allowed boot it is. */
  readonly digest: BootDigest
  readonly learned_from: number | null
}

/** `difference` is null where no allowed boot has values to compare with. */
export type BootVerdict =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly difference: BootDifference | null }

const differencesFrom = (shown: Boot, { boot, digest, learned_from }: AllowedBoot): ReadonlyArray<BootDifference> => {
  const found = new Map(shown.map(({ pcr, value }) => [pcr, value]))
  return (boot ?? []).flatMap(({ pcr, value }) => {
    const now = found.get(pcr) ?? ""
    return now === value ? [] : [{ pcr, expected: value, found: now, digest, learned_from }]
  })
}

/**
 * Whether what a node shows is allowed: its digest decides, and nothing else. Where it is not, the PCR to name is one of the
 * boot that comes nearest: one learned from this node before others, then the one with fewest differences.
 */
export const judgeBoot = (node: NodeId, shown: Boot, allowed: ReadonlyArray<AllowedBoot>): BootVerdict => {
  const digest = bootDigestOf(shown)
  if (allowed.some((one) => one.digest === digest)) return { allowed: true }
  const strange = (one: AllowedBoot) => one.learned_from === node ? 0 : 1
  const [nearest] = allowed
    .map((one) => ({ strange: strange(one), differences: differencesFrom(shown, one) }))
    .filter(({ differences }) => differences.length > 0)
    .sort((left, right) => left.strange - right.strange || left.differences.length - right.differences.length)
  return { allowed: false, difference: nearest?.differences[0] ?? null }
}

/** What a person is told of a boot that is not allowed, with what to do. */
export const refusalOf = (node: NodeId, shown: Boot, difference: BootDifference | null): string => {
  const todo =
    `If node ${node} is to boot this, on the server: patela policy pcr learn ${node}, or patela policy pcr ` +
    `allow ${bootDigestOf(shown)}`
  if (difference === null) {
    return `What node ${node} booted (${
      bootDigestOf(shown)
    }) is not allowed, and no allowed boot was learned that its ` +
      `PCRs could be compared with. ${todo}`
  }
  const { pcr, expected, found, learned_from } = difference
  const whence = learned_from === null ? "is allowed" : `was learned from node ${learned_from}`
  return `PCR ${pcr} of ${bankOf(shown)} is ${found} on node ${node}, and ${expected} ${whence}. ${todo}`
}
