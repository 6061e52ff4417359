import type { NodeId } from "@patela/domain/node/NodeId"
import { SLOTS } from "@patela/domain/relay/Slot"
import { Result } from "effect"
import type { AuditedChange } from "../audit/Audit.ts"
import type { NodeRow } from "./NodeRow.ts"
import type { NodeOverrides } from "./Nodes.ts"

/** What can be set for one node apart from the others. `default` as a value gives the common value back. */
export const NODE_SETTINGS = ["relays", "geoip"] as const
export type NodeSetting = (typeof NODE_SETTINGS)[number]

/** The value of a setting as people write it. */
export const settingText = (overrides: NodeOverrides, setting: NodeSetting): string => {
  if (setting === "relays") return String(overrides.relays_override ?? "default")
  return overrides.geoip_override === null ? "default" : overrides.geoip_override ? "on" : "off"
}

/** What the audit log says of a setting that became another, whatever made it so. */
export const settingEntry = (
  who: string,
  node: NodeId,
  setting: NodeSetting,
  { after, before }: { readonly before: NodeOverrides; readonly after: NodeOverrides }
): AuditedChange => ({
  who,
  what: `node ${node}: ${setting} set`,
  before: settingText(before, setting),
  after: settingText(after, setting)
})

export const overridesOf = ({ relays_override, geoip_override }: NodeRow): NodeOverrides => ({
  relays_override,
  geoip_override
})

/** The overrides with one setting changed, or why the value cannot be. */
export const withSetting = (
  overrides: NodeOverrides,
  setting: NodeSetting,
  value: string
): Result.Result<NodeOverrides, string> => {
  if (setting === "relays") {
    if (value === "default") return Result.succeed({ ...overrides, relays_override: null })
    const relays = /^\d{1,4}$/.test(value) ? Number(value) : Number.NaN
    return relays <= SLOTS
      ? Result.succeed({ ...overrides, relays_override: relays })
      : Result.fail(`relays is a number from 0 to ${SLOTS}, or default`)
  }
  const known = new Map<string, boolean | null>([["on", true], ["off", false], ["default", null]]).get(value)
  return known === undefined
    ? Result.fail("geoip is on, off, or default")
    : Result.succeed({ ...overrides, geoip_override: known })
}
