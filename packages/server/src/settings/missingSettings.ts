import { Effect, Option } from "effect"
import type { AllPools } from "../allocate/PoolRow.ts"
import { EndorsementRoots } from "../trust/EndorsementRoots.ts"
import { TrustPolicy } from "../trust/TrustPolicy.ts"
import { Settings } from "./Settings.ts"
import { unfitNetwork } from "./unfitNetwork.ts"

/** What has to be set before nodes can be served, in words: a server without it would hand every node an error. */
export const missingSettings = Effect.fnUntraced(function*(pools: AllPools) {
  const settings = yield* Settings
  const missing: Array<string> = []
  if (Option.isNone(yield* settings.torrc)) {
    missing.push("There is no default torrc. Import one: patela torrc import FILE default")
  }
  if (pools.v4.length === 0) {
    missing.push(
      "There is no pool to give relays IPv4 addresses from. Set one, for example PATELA_FIRST_V4=192.0.2.10 " +
        "PATELA_PREFIX_V4=24, or add one: patela pool add 192.0.2.10-192.0.2.99/24"
    )
  }
  const lowest = yield* (yield* TrustPolicy).lowest
  if (lowest === "certified" && (yield* EndorsementRoots).count === 0) {
    missing.push(
      "The lowest tier is certified, and no vendor's root is known. Set PATELA_EK_ROOTS to a folder of root " +
        "certificates, or accept less: patela policy tier allow-listed"
    )
  }
  const network = yield* settings.network
  if (Option.isNone(network)) {
    missing.push("The relay network is not set. Set it: patela network set --gateway-v4 ADDRESS --dns ADDRESS,...")
  } else missing.push(...unfitNetwork(network.value, pools))
  return missing
})
