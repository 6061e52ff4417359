import { type Duration, Effect } from "effect"
import { infoOf } from "../host/ControlReply.ts"
import { commandTor } from "../host/ControlSocket.ts"

/** The option that decides the burst in a relay's descriptor, and its bytes a second. */
export interface Burst {
  readonly option: "BandwidthBurst" | "RelayBandwidthBurst"
  readonly bytes: number
}

/** What tor takes at most (tor source, ROUTER_MAX_DECLARED_BANDWIDTH). */
const MOST = 2 ** 31 - 1

/** The smaller of the two, where the relay's own is set (tor source, relay_get_effective_bwburst). Pure. */
export const burstOf = (values: ReadonlyMap<string, string>): Burst => {
  const all = Number(values.get("BandwidthBurst") ?? 0)
  const own = Number(values.get("RelayBandwidthBurst") ?? 0)
  return own > 0 && own < all
    ? { option: "RelayBandwidthBurst", bytes: own }
    : { option: "BandwidthBurst", bytes: all }
}

/** A burst as good as `now` that is in no descriptor yet: neither its own nor the one before. Pure. */
export const otherBurst = (before: Burst, now: Burst): Burst => {
  const step = now.bytes + 2 > MOST ? -1 : 1
  const next = now.bytes + step
  return { ...now, bytes: next === before.bytes ? next + step : next }
}

/** The burst that the tor has whose socket is in `folder`. */
export const readBurst = (folder: string, patience: Duration.Input) =>
  Effect.map(
    commandTor(folder, "GETCONF BandwidthBurst RelayBandwidthBurst", patience),
    (lines) => burstOf(infoOf(lines))
  )

/**
 * Has a running tor declare just the families that its configuration names, which it has taken already, in a descriptor
 * that authorities take. tor reads the keys of families at its start and at a reload, and not when options are set. And
 * authorities do not replace a descriptor of the last two hours by one that differs in its families alone (tor source,
 * router_differences_are_cosmetic): `before` is the burst in theirs, so another one goes along, by a byte or two. tor
 * publishes a second after an option was set, and so once. The reload reads no torrc.
 */
export const declareFamily = Effect.fn("declareFamily")(
  function*(folder: string, before: Burst, patience: Duration.Input) {
    const command = (text: string) => commandTor(folder, text, patience)
    yield* command("SETCONF __ReloadTorrcOnSIGHUP=0")
    yield* command("SIGNAL RELOAD")
    yield* command("SETCONF __ReloadTorrcOnSIGHUP=1")
    const { bytes, option } = otherBurst(before, yield* readBurst(folder, patience))
    // Refused where a rate is at the most that there is: the next descriptor in its turn tells then, within 18 hours.
    yield* command(`SETCONF ${option}=${bytes}`).pipe(Effect.catchTag("ControlRefused", () => Effect.void))
  }
)
