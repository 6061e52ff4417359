import { Option } from "effect"
import type { Connect } from "./Connection.ts"
import { deviceConnection } from "./deviceConnection.ts"
import { socketConnection } from "./socketConnection.ts"
import type { Tcti } from "./Tcti.ts"

/** How to open a TPM without tpm2-tools, where that is possible: a device, or a swtpm on a unix socket. */
export const directConnect = (tcti: Tcti): Option.Option<Connect> => {
  const device = /^device:(\/.+)$/.exec(tcti)?.[1]
  if (device !== undefined) return Option.some(deviceConnection(device))
  const socket = /^swtpm:path=([^,]+)$/.exec(tcti)?.[1]
  return Option.map(Option.fromUndefinedOr(socket), socketConnection)
}
