import { Result, Schema } from "effect"

/** A `--tpm2` value that names no TPM. */
export class UnknownTpmAddress extends Schema.TaggedError<UnknownTpmAddress>()("UnknownTpmAddress", {
  address: Schema.String,
  message: Schema.String
}) {}

/** How tpm2-tools reach the TPM: the value of TPM2TOOLS_TCTI (tpm2-tools, common/tcti.md). */
export const Tcti = Schema.String.pipe(Schema.brand("Tcti"))
export type Tcti = typeof Tcti.Type

/** The kernel's resource manager. */
export const defaultTcti: Tcti = Tcti.make("device:/dev/tpmrm0")

/**
 * From a `--tpm2` value or TPM2TOOLS_TCTI to a TCTI: a device path such as `/dev/tpmrm0`, or a TCTI of the kinds
 * device, swtpm, mssim and tabrmd. The kind `cmd` would run a program of the caller's choosing and is refused.
 */
export const tctiOf = (address: string): Result.Result<Tcti, UnknownTpmAddress> => {
  const printable = /^[\x21-\x7e]{1,512}$/.test(address)
  if (printable && /^\/[^:]*$/.test(address)) return Result.succeed(Tcti.make(`device:${address}`))
  if (printable && /^(?:device:\/.+|(?:swtpm|mssim|tabrmd)(?::.*)?)$/.test(address)) {
    return Result.succeed(Tcti.make(address))
  }
  return Result.fail(
    new UnknownTpmAddress({
      address,
      message:
        `"${address}" names no TPM. Give a device such as /dev/tpmrm0, or device:PATH, swtpm:path=SOCKET, mssim:..., tabrmd:...`
    })
  )
}

/**
 * Whether something between us and the TPM swaps objects in and out: the kernel's /dev/tpmrmN or the tabrmd daemon. A
 * bare TPM has three places for objects, and every tool leaves what it loaded (TPM 2.0 part 1, 30).
 */
export const hasResourceManager = (tcti: Tcti): boolean => /^(?:device:\/dev\/tpmrm\d+$|tabrmd)/.test(tcti)
