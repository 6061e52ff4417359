import { ALLOWED_OPTIONS } from "./allowed.ts"
import { MANAGED_OPTIONS } from "./managed.ts"
import { optionNamed } from "./OptionTable.ts"
import { REFUSED_OPTIONS, TEST_NETWORK_OPTIONS } from "./refused.ts"
import type { TorrcLine } from "./Torrc.ts"
import { unsafeCharacterIn } from "./Torrc.ts"
import type { LayerRules } from "./ValueRules.ts"
import { VALUE_RULES } from "./ValueRules.ts"

/** What becomes of a line of a layer: taken, left out because Patela writes that option itself, or refused. */
export type LineVerdict =
  | { readonly _tag: "Allowed" }
  | { readonly _tag: "Managed"; readonly reason: string }
  | { readonly _tag: "Refused"; readonly reason: string }

/**
 * Judges one line. What no list names is refused, so an option of a later tor is refused until a person has judged it.
 * A `/Option` is judged as the empty value that tor takes it for.
 */
export const verdictOn = ({ option, value }: Pick<TorrcLine, "option" | "value">, rules: LayerRules): LineVerdict => {
  const refused = (reason: string): LineVerdict => ({ _tag: "Refused", reason })
  const unsafe = unsafeCharacterIn(value)
  if (unsafe !== undefined) return refused(`its value holds a ${unsafe}`)
  if (optionNamed(option) === undefined) return refused("it is no option that Patela knows")
  const always = REFUSED_OPTIONS.get(option)
  if (always !== undefined) return refused(always)
  const managed = MANAGED_OPTIONS.get(option)
  if (managed !== undefined) return { _tag: "Managed", reason: managed }
  const rule = VALUE_RULES.get(option)
  if (rule !== undefined) {
    const verdict = rule(value, rules)
    if (verdict === "allowed") return { _tag: "Allowed" }
    return verdict === "managed"
      ? { _tag: "Managed", reason: "Patela writes this line itself" }
      : refused(verdict.refused)
  }
  if (TEST_NETWORK_OPTIONS.has(option)) {
    return rules.testNetwork
      ? { _tag: "Allowed" }
      : refused("it belongs in a private test network, and none is turned on")
  }
  return ALLOWED_OPTIONS.has(option)
    ? { _tag: "Allowed" }
    : refused("Patela has not judged whether this option is safe")
}

/** The lists that name an option; the tests ask that it is exactly one. */
export const listsOf = (option: string): ReadonlyArray<string> =>
  [
    ["allowed", ALLOWED_OPTIONS],
    ["managed", MANAGED_OPTIONS],
    ["refused", REFUSED_OPTIONS],
    ["test network", TEST_NETWORK_OPTIONS],
    ["by value", VALUE_RULES]
  ].flatMap(([name, list]) => typeof name === "string" && typeof list === "object" && list.has(option) ? [name] : [])
