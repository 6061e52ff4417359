import { CONNTRACK_SETTINGS, desiredConntrackSettings } from "./desiredSettings.ts"
import { settingsKind } from "./settingsKind.ts"

/**
 * `node/conntrack-settings`: how many flows the kernel tracks. They come after source NAT, for the kernel has them only
 * once a rule that tracks flows has loaded its module.
 */
export const ConntrackSettings = settingsKind("conntrack-settings", CONNTRACK_SETTINGS, desiredConntrackSettings)
