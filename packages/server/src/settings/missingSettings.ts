import { Effect, Option } from "effect"
import { Pools } from "../allocate/Pools.ts"
import { EndorsementRoots } from "../trust/EndorsementRoots.ts"
import { TrustPolicy } from "../trust/TrustPolicy.ts"
import { Settings } from "./Settings.ts"
import { unfitNetwork } from "./unfitNetwork.ts"

/** What has to be set before nodes can be served, in words: a server without it would hand every node an error. */
export const missingSettings = Effect.gen(function*() {
  const settings = yield* Settings
  const { v4, v6 } = yield* Pools
  const missing: Array<string> = []
  if (Option.isNone(yield* settings.torrc)) {
    missing.push("There is no default torrc. Import one: patela torrc import FILE default")
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
  } else missing.push(...unfitNetwork(network.value, { v4, v6 }))
  return missing
})
