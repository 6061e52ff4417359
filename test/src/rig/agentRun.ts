import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import type { Tcti } from "@patela/tpm/transport/Tcti"
import { Tpm } from "@patela/tpm/transport/Tpm"
import type { Transport } from "@patela/tpm/transport/TpmTransport"
import { Context, Duration, Effect, Layer } from "effect"
import { tpmBy } from "../../../packages/tpm/test/host/Transports.ts"
import { sessionWith } from "../../pure/SessionHouse.ts"

const once = { total: Duration.zero }

/**
 * The configuration that a run of the agent on the machine of this TPM gets, with no token of an earlier run. `before` is the
 * endorsement key that an older version goes by.
 */
export const agentRun = (input: {
  readonly patela: { readonly server: { readonly port: number }; readonly cert: string; readonly folder: string }
  readonly tcti: Tcti
  readonly transport: Transport
  readonly before?: EndorsementKeyKind | undefined
}) =>
  Effect.gen(function*() {
    const { before, patela, tcti, transport } = input
    const tpm = Context.get(yield* Layer.build(Layer.fresh(tpmBy(transport, tcti, before))), Tpm)
    const session = yield* sessionWith({
      port: patela.server.port,
      cert: patela.cert,
      token: `${patela.folder}/no-token`,
      tpm: Layer.succeed(Tpm, tpm)
    })
    return yield* session.config(once)
  }).pipe(Effect.scoped)
