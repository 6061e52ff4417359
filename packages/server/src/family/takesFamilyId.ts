/** The first tor that knows `FamilyId`. */
const FIRST = [0, 4, 9, 2]

/**
 * Whether a tor of this version, as `tor --version` says it, takes `FamilyId`: an older one refuses the whole torrc. One
 * that was not told yet may; where it does not, the node reports its version with what is blocked. Pure.
 */
export const takesFamilyId = (version: string | null): boolean => {
  const numbers = /^(\d+)\.(\d+)\.(\d+)\.(\d+)/.exec(version ?? "")?.slice(1).map(Number)
  if (numbers === undefined) return true
  const at = FIRST.findIndex((first, place) => numbers[place] !== first)
  return at === -1 || (numbers[at] ?? 0) > (FIRST[at] ?? 0)
}
