import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Duration, Effect, Layer } from "effect"
import { infoOf } from "../host/ControlReply.ts"
import { commandTor, INSTANCES_RUNTIME } from "../host/ControlSocket.ts"

/** tor answers in a few milliseconds, also while it bootstraps. */
const PATIENCE = Duration.seconds(3)

const KEY = "status/bootstrap-phase"

/** Asks a running tor how far it has come; systemd says that it is active long before it is of use to anybody. */
export class BootstrapReader extends Context.Service<BootstrapReader, {
  /** Whether it can build circuits (control-spec, section 3.9, status/bootstrap-phase); false where it does not answer. */
  readonly isBootstrapped: (relay: RelayName) => Effect.Effect<boolean>
}>()("@patela/reconcilers/units/BootstrapReader") {
  /** Sockets of instances are in `root`. */
  static readonly layerAt = (root: string): Layer.Layer<BootstrapReader> =>
    Layer.succeed(
      BootstrapReader,
      BootstrapReader.of({
        isBootstrapped: Effect.fn("BootstrapReader.isBootstrapped")((relay: RelayName) =>
          commandTor(`${root}/${relay}`, `GETINFO ${KEY}`, PATIENCE).pipe(
            Effect.map((lines) => /\bPROGRESS=100\b/.test(infoOf(lines).get(KEY) ?? "")),
            Effect.orElseSucceed(() => false)
          )
        )
      })
    )

  static readonly layer = BootstrapReader.layerAt(INSTANCES_RUNTIME)
}
