import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { type FileSystem, Layer, Option, Result, Schema } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import type { ImagePolicySource } from "../policy/ImagePolicy.ts"
import { directConnect } from "./directConnect.ts"
import { DirectTpm } from "./DirectTpm.ts"
import type { Tcti } from "./Tcti.ts"
import { Tpm } from "./Tpm.ts"
import { Tpm2Tools } from "./Tpm2Tools.ts"
import type { TpmToolsUnusable } from "./TpmError.ts"

/** What commands go to the TPM by: `direct` from this process, `tools` by tpm2-tools. */
export const Transport = Schema.Literals(["direct", "tools"])
export type Transport = typeof Transport.Type

/** A name that is no transport's. */
export class UnknownTransport extends Schema.TaggedError<UnknownTransport>()("UnknownTransport", {
  message: Schema.String
}) {}

/** The transport of this name. */
export const transportOf = (name: string): Result.Result<Transport, UnknownTransport> =>
  Schema.is(Transport)(name) ? Result.succeed(name) : Result.fail(
    new UnknownTransport({
      message: `PATELA_TPM_TRANSPORT is ${JSON.stringify(name)}: say direct or tools, or leave it out.`
    })
  )

/** The direct transport was asked for where there is none. */
export class NoDirectTransport extends Schema.TaggedError<NoDirectTransport>()("NoDirectTransport", {
  tcti: Schema.String,
  message: Schema.String
}) {}

/** The TPM at an address, by the transport that serves there. */
export class TpmTransport {
  /**
   * Direct for devices and for a swtpm's unix socket (swtpm:path=SOCKET), tpm2-tools for all other addresses, unless
   * `transport` says which. `endorsementKey` is the kind to begin with, else the certificates in NV memory decide.
   */
  static readonly layer = (options: {
    readonly tcti: Tcti
    readonly transport?: Transport
    readonly endorsementKey?: EndorsementKeyKind
    readonly imagePolicy?: ImagePolicySource
  }): Layer.Layer<
    Tpm,
    TpmToolsUnusable | NoDirectTransport,
    ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem
  > => {
    const connect = directConnect(options.tcti)
    if (options.transport !== "tools" && Option.isSome(connect)) {
      return DirectTpm.layer({ ...options, connect: connect.value })
    }
    if (options.transport !== "direct") return Tpm2Tools.layer(options)
    return Layer.effect(
      Tpm,
      new NoDirectTransport({
        tcti: options.tcti,
        message: `PATELA_TPM_TRANSPORT=direct serves devices and swtpm:path=SOCKET, and ${options.tcti} is neither. ` +
          "Leave it out, or name another TPM with --tpm2."
      })
    )
  }
}
