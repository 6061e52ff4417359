import type { RelayName } from "@patela/domain/relay/RelayName"
import { type ControlRefused, infoOf } from "@patela/reconcilers/host/ControlReply"
import { commandTor, type ControlAway, INSTANCES_RUNTIME } from "@patela/reconcilers/host/ControlSocket"
import { Context, Duration, Effect, Layer } from "effect"

/** tor answers in a few milliseconds, also while it bootstraps. */
const PATIENCE = Duration.seconds(3)

/** Asks a running relay, by its control socket. It changes nothing. */
export class TorControl extends Context.Service<TorControl, {
  /** `GETINFO` of these keys (control-spec, section 3.9); keys that tor does not know fail the whole question. */
  readonly info: (
    relay: RelayName,
    keys: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyMap<string, string>, ControlAway | ControlRefused>
}>()("@patela/agent/readiness/TorControl") {
  /** Sockets of instances are in `root`. */
  static readonly layerAt = (root: string) =>
    Layer.succeed(
      TorControl,
      TorControl.of({
        info: Effect.fn("TorControl.info")((relay, keys) =>
          Effect.map(commandTor(`${root}/${relay}`, `GETINFO ${keys.join(" ")}`, PATIENCE), infoOf)
        )
      })
    )

  static readonly layer = TorControl.layerAt(INSTANCES_RUNTIME)
}
