import type { ResourceAddress, Scope } from "@patela/domain/reconciler/Resource"
import { relayScope } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import type { Convergence } from "./Converge.ts"

/** One resource that is not as configured, and why, in words for a person. */
export interface Trouble {
  readonly kind: string
  readonly address: ResourceAddress
  readonly scope: Scope
  readonly why: string
}

/**
 * Everything that a pass left otherwise than configured: what failed, then what waits for that, what is held, and what
 * is simply still different. One entry a resource. Pure.
 */
export const troublesOf = (result: Convergence): ReadonlyArray<Trouble> => {
  const troubles = new Map<ResourceAddress, Trouble>()
  const add = ({ address, kind, scope }: Omit<Trouble, "why">, why: string) => {
    if (!troubles.has(address)) troubles.set(address, { kind, address, scope, why })
  }
  const causes = causesOf(result)
  for (const failure of result.failures) add(failure, failure.message)
  for (const held of result.held) add(held, held.why)
  for (const blocked of result.blocked) {
    const cause = causes(blocked.by)
    add(blocked, `waits for ${blocked.by}${cause === undefined ? "" : `: ${cause}`}`)
  }
  for (const left of result.remaining) add(left, `is not as configured: ${left.lines.join("; ")}`)
  return [...troubles.values()]
}

/** The message at the end of a chain of waiting. */
const causesOf = ({ blocked, failures, held }: Convergence): (address: ResourceAddress) => string | undefined => {
  const reasons = new Map<ResourceAddress, string>([
    ...held.map(({ address, why }) => [address, why] as const),
    ...failures.map(({ address, message }) => [address, message] as const)
  ])
  const waits = new Map(blocked.map(({ address, by }) => [address, by]))
  return (address) => {
    const seen = new Set<ResourceAddress>()
    let at: ResourceAddress | undefined = address
    while (at !== undefined && !seen.has(at)) {
      const reason = reasons.get(at)
      if (reason !== undefined) return reason
      seen.add(at)
      at = waits.get(at)
    }
    return undefined
  }
}

/** Why a relay is not as configured, or undefined where it is: its first trouble. */
export const troubleOf = (troubles: ReadonlyArray<Trouble>, name: RelayName): string | undefined => {
  const scope = relayScope(name)
  const found = troubles.find((each) => each.scope === scope)
  return found === undefined ? undefined : troubleText(found)
}

export const troubleText = ({ address, why }: Trouble): string => `${address}: ${why}`
