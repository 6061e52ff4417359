import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import type { Tcti } from "../../src/transport/Tcti.ts"
import { TpmTransport, type Transport } from "../../src/transport/TpmTransport.ts"

/** What every test of a real TPM runs with. */
export const transports: ReadonlyArray<Transport> = ["tools", "direct"]

/** The TPM at an address by one of them. */
export const tpmBy = (transport: Transport, tcti: Tcti, endorsementKey?: EndorsementKeyKind) =>
  TpmTransport.layer({ tcti, transport, ...(endorsementKey === undefined ? {} : { endorsementKey }) })
