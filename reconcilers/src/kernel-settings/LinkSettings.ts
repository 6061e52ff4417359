import { desiredLinkSettings, LINK_SETTINGS } from "./desiredSettings.ts"
import { settingsKind } from "./settingsKind.ts"

/** `node/link-settings`: what the relay link must not do, before it is set up. */
export const LinkSettings = settingsKind("link-settings", LINK_SETTINGS, desiredLinkSettings)
