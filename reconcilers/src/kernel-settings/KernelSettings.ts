import { desiredNodeSettings, NODE_SETTINGS } from "./desiredSettings.ts"
import { settingsKind } from "./settingsKind.ts"

/** `node/kernel-settings`: ports for many connections, and room for new ones. */
export const KernelSettings = settingsKind("kernel-settings", NODE_SETTINGS, desiredNodeSettings)
